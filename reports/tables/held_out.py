"""Accuracies on held-out data sets: their columns in the main table, and a chapter of their own.

They are means over the sets, and no part of Transfer, Average or Last.
"""

from __future__ import annotations

from statistics import fmean

from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.metrics import HELD_OUT
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.metric_column import metric_table
from cl_bench.reports.tables.table import Cell, Table, number, words_alone

NONE = "These runs have no held-out data sets."


def _tables(judged: Judged) -> list[Table]:
    """The means over the sets, then every set."""
    g = judged.group
    if not g.config.held_out or not g.rows:
        return [words_alone(NONE if g.rows else "No finished run.")]
    each = (_of_set(g, name) for name in g.config.held_out)
    return [metric_table(judged, tuple(HELD_OUT), "Mean over the held-out sets"), *each]


def _of_set(g: Group, name: str) -> Table:
    rows = []
    for row in g.rows:
        before, *after = [fmean(values) for values in row.held_out_curve(name)]
        cells = map(number, (before, min(after), after[-1]))
        rows.append((Cell(row.name), Cell(str(len(row.runs))), *cells))
    return Table(("Method", "n", "Before", "Lowest", "Last"), tuple(rows), name)


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per row, set and number of tasks learned."""
    g = judged.group
    return [
        (row.label, len(row.runs), name, learned, spread.mean, spread.half)
        for row in g.rows
        for name in g.config.held_out
        for learned, values in enumerate(row.held_out_curve(name))
        for spread in [Spread(values)]
    ]


CHAPTER = Chapter(
    "held_out",
    "Held-out data sets",
    "Accuracies in per cent on data sets that are evaluated and never learned, each over its own classes; "
    "before: zero-shot; lowest: the lowest after a task; last: after the last task. Means over seeds.",
    _tables,
    ("method", "n", "held_out_set", "learned_tasks", "accuracy", "accuracy_interval95"),
    _lines,
)
