"""Average incremental accuracy and last accuracy: what class-incremental work reports."""

from __future__ import annotations

from statistics import fmean

from cl_bench.reports.runs.incremental import incremental_curves, is_incremental
from cl_bench.reports.runs.metrics import INCREMENTAL
from cl_bench.reports.runs.names import short_names
from cl_bench.reports.runs.row import Row
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.metric_column import metric_table
from cl_bench.reports.tables.table import Cell, Table, number, words_alone

READING = (
    "Accuracy in per cent over the test images of all tasks learned so far, each image once, classified over "
    "the classes of these tasks. Incremental: the mean over the moments after each task (average incremental "
    "accuracy, Rebuffi et al. 2017); last of all images: after the last task. Last in the main table is the mean "
    "over tasks instead, and Transfer and Average there count tasks that are not learned yet, too."
)
NO_RUNS = "No run classifies its images over the classes learned so far (--protocol seen)."


def _tables(judged: Judged) -> list[Table]:
    """The two metrics, then the accuracy after every task."""
    g = judged.group
    if not is_incremental(g) or not g.rows:
        return [words_alone("No finished run." if is_incremental(g) else NO_RUNS)]
    curves = [(row, incremental_curves(row)) for row in g.rows]
    steps = tuple(
        (*_named(row), *(number(fmean(values)) for values in zip(*of_seeds, strict=True)))
        for row, of_seeds in curves
        if of_seeds
    )
    return [
        metric_table(judged, tuple(INCREMENTAL), "Over the classes seen"),
        Table(("Method", "n", *short_names(g.config.tasks)), steps, "After each task"),
    ]


def _named(row: Row) -> tuple[Cell, Cell]:
    return Cell(row.name), Cell(str(len(row.runs)))


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per row and number of tasks learned."""
    if not is_incremental(judged.group):
        return []
    return [
        (row.label, len(row.runs), learned, spread.mean, spread.half)
        for row in judged.group.rows
        for learned, values in enumerate(zip(*incremental_curves(row), strict=True), start=1)
        for spread in [Spread(values)]
    ]


CHAPTER = Chapter(
    "incremental",
    "Over the classes seen so far",
    READING,
    _tables,
    ("method", "n", "learned_tasks", "accuracy", "accuracy_interval95"),
    _lines,
)
