"""A chapter: our rows beside the published ones, where both answer the same question."""

from __future__ import annotations

from collections.abc import Iterator

from cl_bench.benchmark.config import RunConfig
from cl_bench.reports.literature.published import (
    MEAN,
    Published,
    Split,
    comparable_suite,
    means,
    published,
    published_name,
)
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.metrics import MAIN, METRICS
from cl_bench.reports.runs.numbers import signed
from cl_bench.reports.runs.row import Row
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.per_task import values_per_task
from cl_bench.reports.tables.table import Cell, Table, number, words_alone

SETTING = "full"
READING = (
    "Published rows were measured by others; they are shown, never ranked with ours. Origin: reported by the "
    "method's own authors, copied into another paper, reproduced by somebody else, or known second-hand, from "
    "a summary. Ours minus theirs is given for the whole MTIL under each method's own published protocol, "
    "against rows measured on the same split of the data sets (ZSCL's). Most published rows are of one "
    "seed, and test sampling alone makes 0.15 to 0.18 points on Last."
)
HEADER = (
    "method", "n", "metric", "dataset", "ours", "interval95", "published_method", "published",
    "difference", "origin", "status", "source",
)  # fmt: skip


def why_not(config: RunConfig) -> str | None:
    """Why no published row may stand beside these runs; ``None`` where some may."""
    digest, backbone = comparable_suite()
    p = config.protocol
    if config.suite.digest != digest or len(config.tasks) != 11:
        return f"{config.suite.name} is not the whole MTIL that published rows were measured on"
    if (config.backbone.name, config.backbone.weights) != backbone:
        return f"published rows start from {' with weights '.join(backbone)}"
    if config.order not in ("I", "II"):
        return "published rows are of order I and order II"
    if p.labels != "own" or p.shots or p.is_imbalanced or p.clients or p.broken == "skip":
        return "these runs ask another question: other labels, fewer training images or files, or several clients"
    if config.start is not None:
        return "these runs begin with the state of another run, published rows with the pre-trained model"
    if config.preset != "paper":
        return "published rows follow each method's own protocol: compare runs with --preset paper"
    return None


def _tables(judged: Judged) -> list[Table]:
    """Differences first, then what else is published, one table for each family of splits."""
    g = judged.group
    if reason := why_not(g.config):
        return [words_alone(f"Nothing stands beside these runs: {reason}.")]
    ours = [_difference(row, p, theirs) for row, p, theirs in _pairs(g)]
    header = (
        "Method",
        "n",
        *(f"{what}{METRICS[m]}" for m in MAIN for what in ("", "Δ ")),
    )
    beside = Table(
        (*header, "Origin", "Source"), tuple(ours), "Ours, and ours minus theirs (Δ)", frozenset({8, 9}),
        () if ours else ("None of these methods has a published counterpart.",),
    )  # fmt: skip
    return [beside, *literature_tables(g.config.order, SETTING)]


def literature_tables(order: str, setting: str) -> list[Table]:
    """What is published, best Last first; the two families of splits apart."""
    titles: dict[Split, str] = {
        "ZSCL": "Published, on ZSCL's split",
        "CoOp": "Published, on CoOp's split: not to be set beside the others",
        "unknown": "Published, the split is not known",
    }
    tables = []
    for split, title in titles.items():
        rows = [(p, values) for p, values in means(order, setting) if p.split == split]
        rows.sort(key=lambda row: -row[1].get("last", row[1].get("zero_shot", 0.0)))
        body = [
            (
                Cell(p.method),
                *(number(values.get(m)) for m in MAIN),
                Cell(p.origin),
                Cell(p.source),
            )
            for p, values in rows
        ]
        header = ("Method", *(METRICS[m] for m in MAIN), "Origin", "Source")
        if body:
            tables.append(Table(header, tuple(body), title, frozenset({4, 5})))
    return tables


def _pairs(g: Group) -> Iterator[tuple[Row, Published, dict[str, float]]]:
    """Every row of ours with every published row that it is measured against."""
    for row in g.rows:
        for p, theirs in means(g.config.order, SETTING):
            if _counterpart(row, p):
                yield row, p, theirs


def _counterpart(row: Row, p: Published) -> bool:
    """Whether a published number is of the same method on the same split."""
    return p.method == published_name(row.runs[0].config.method) and p.split == "ZSCL"


def _difference(row: Row, p: Published, theirs: dict[str, float]) -> tuple[Cell, ...]:
    cells = []
    for metric in MAIN:
        ours = row.mean(metric)
        gap = None if ours is None or metric not in theirs else ours - theirs[metric]
        cells += [number(ours), number(gap, signed)]
    return (
        Cell(row.name), Cell(str(len(row.runs))), *cells, Cell(p.origin), Cell(p.source),
    )  # fmt: skip


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per published number that may stand beside one of ours, single data sets included."""
    g = judged.group
    if why_not(g.config):
        return []
    lines: list[tuple[Value, ...]] = []
    for row in g.rows:
        for p in published():
            asked = (p.order, p.setting) == (g.config.order, SETTING) and p.metric in MAIN
            if not asked or not _counterpart(row, p):
                continue
            spread = Spread(_ours(row, p.metric, p.dataset))
            ours = spread.mean
            gap = None if ours is None else ours - p.value
            lines.append(
                (
                    row.label, len(row.runs), p.metric, p.dataset, ours, spread.half, p.method,
                    p.value, gap, p.origin, p.status, p.source,
                )
            )  # fmt: skip
    return lines


def _ours(row: Row, metric: str, dataset: str) -> tuple[float, ...]:
    if dataset == MEAN:
        return row.values(metric)
    return values_per_task(row, metric)[row.runs[0].matrix.tasks.index(dataset)]


CHAPTER = Chapter("literature", "Beside the literature", READING, _tables, HEADER, _lines)
