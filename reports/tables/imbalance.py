"""How well classes with many, a medium number and few training images are known."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from cl_bench.reports.runs.classes import (
    FREQUENCIES,
    MOMENTS,
    Frequency,
    Moment,
    classes_of,
    mean_accuracy,
)
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.row import Row
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.table import Cell, Table, number, words_alone

Spreads = dict[tuple[Frequency, Moment], Spread]
TITLES: dict[Moment, str] = {
    "last": "After the last task",
    "learned": "Right after learning",
    "zero_shot": "Zero-shot",
}
READING = (
    "All classes of a run are ranked by the training images that this run had of them, and parted into thirds: "
    "many, medium and few. Classes of equally many images stay together, in the part of their mean rank. An "
    "accuracy is the mean over the classes of a part, in per cent, each class counted once whatever its test "
    "images; means over seeds, which each have other frequent classes. Test images are those of the balanced run."
)
NO_RUNS = "No class and no task was made rare in these runs."


def is_imbalanced(judged: Judged) -> bool:
    """Whether classes or tasks were made rare in a group's runs."""
    return judged.group.config.protocol.is_imbalanced


def _tables(judged: Judged) -> list[Table]:
    """One table per moment: methods down, parts across."""
    g = judged.group
    if not is_imbalanced(judged) or not g.rows:
        return [words_alone("No finished run." if is_imbalanced(judged) else NO_RUNS)]
    of_rows = [_spreads(row) for row in g.rows]
    return [_table(g, of_rows, moment) for moment in TITLES]


def _table(g: Group, of_rows: Sequence[Spreads], moment: Moment) -> Table:
    rows = tuple(
        (
            Cell(row.name),
            Cell(str(len(row.runs))),
            *(number(spreads[frequency, moment].mean) for frequency in FREQUENCIES),
        )
        for row, spreads in zip(g.rows, of_rows, strict=True)
    )
    return Table(("Method", "n", *map(str.capitalize, FREQUENCIES)), rows, TITLES[moment])


def _spreads(row: Row) -> Spreads:
    """The accuracy of every part at every moment, seed by seed."""
    runs = [classes_of(run) for run in row.runs]
    spreads = {}
    for frequency, moment in product(FREQUENCIES, MOMENTS):
        values = (mean_accuracy(classes, frequency, moment) for classes in runs)
        spreads[frequency, moment] = Spread(tuple(value for value in values if value is not None))
    return spreads


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per row, part and moment."""
    if not is_imbalanced(judged):
        return []
    return [
        (row.label, len(row.runs), frequency, moment, spread.mean, spread.half)
        for row in judged.group.rows
        for (frequency, moment), spread in _spreads(row).items()
    ]


CHAPTER = Chapter(
    "imbalance",
    "Many, medium and few training images",
    READING,
    _tables,
    ("method", "n", "part", "moment", "accuracy", "accuracy_interval95"),
    _lines,
)
