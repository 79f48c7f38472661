"""The column of a metric: every row's mean and spread with its place and its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.reports.runs.metrics import LOWER_IS_BETTER, NAMES
from cl_bench.reports.runs.row import Row
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import Judged, Verdict
from cl_bench.reports.tables.answer import judgement
from cl_bench.reports.tables.table import Cell, Table

MARKS = {Verdict.alike: "≈", Verdict.images: "°", Verdict.higher: ""}


def metric_names(metrics: Sequence[str]) -> list[str]:
    """Headers of the columns; an arrow where lower is better."""
    return [NAMES[f] + (" ↓" if f in LOWER_IS_BETTER else "") for f in metrics]


def _marks(judged: Judged, metric: str) -> dict[str, str]:
    """Row label -> its sign in this metric; the highest row shares the sign of those like it."""
    ranked, highest = judged.group.ranked, judged.best(metric)
    first = next((row for row in ranked if row.label == highest), None)
    if first is None:
        return {}
    found = {row.label: judgement(judged, metric, first, row) for row in ranked}
    marks = {label: MARKS[pair.verdict] for label, pair in found.items() if pair is not None}
    return marks | ({first.label: "≈"} if "≈" in marks.values() else {})


def metric_table(judged: Judged, metrics: Sequence[str], title: str) -> Table:
    """Some metrics of every row, bounds with them."""
    rows = judged.group.rows
    columns = [metric_column(judged, metric, rows) for metric in metrics]
    body = tuple(
        (Cell(row.name), Cell(str(len(row.runs))), *(column[i] for column in columns))
        for i, row in enumerate(rows)
    )
    return Table(("Method", "n", *metric_names(metrics)), body, title)


def metric_column(judged: Judged, metric: str, rows: Sequence[Row]) -> list[Cell]:
    """A column: the metric of every row with its place and its mark."""
    marks, places = _marks(judged, metric), judged.group.places
    spreads = [Spread(row.values(metric)) for row in rows]
    return [
        Cell(spread.words(), places.get((row.label, metric), 0), spread.mean,
             remark=marks.get(row.label, ""))
        for row, spread in zip(rows, spreads, strict=True)
    ]  # fmt: skip
