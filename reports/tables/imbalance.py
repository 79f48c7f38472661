"""How well classes with many, a medium number and few training images are known."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.reports.runs.classes import FREQUENCIES, Moment, Parts, is_imbalanced, part_accuracies
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import first_row
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.table import Cell, Table, words_alone

AFTER: dict[Moment, str] = {"last": "After the last task", "learned": "Right after learning"}
READING = (
    "All classes of a run are ranked by the training images that this run had of them, and parted into thirds: "
    "many, medium and few. Classes of equally many images stay together, in the part of their mean rank. An "
    "accuracy is the mean over the classes of a part, in per cent, each class counted once whatever its test "
    "images; means over seeds, which each have other frequent classes. Test images are those of the balanced run."
)
NO_RUNS = "No class and no task was made rare in these runs."


def _tables(judged: Judged) -> list[Table]:
    """One table per moment: methods down, parts across."""
    g = judged.group
    if not is_imbalanced(judged.group) or not g.rows:
        return [words_alone("No finished run." if is_imbalanced(judged.group) else NO_RUNS)]
    of_rows = [part_accuracies(row) for row in g.rows]
    titles = AFTER | {"zero_shot": first_row(g.config).capitalize()}
    return [_table(g, of_rows, moment, title) for moment, title in titles.items()]


def _table(g: Group, of_rows: Sequence[Parts], moment: Moment, title: str) -> Table:
    rows = []
    for row, parts in zip(g.rows, of_rows, strict=True):
        spreads = (Spread(parts[frequency, moment]) for frequency in FREQUENCIES)
        cells = (Cell(spread.words(), value=spread.mean) for spread in spreads)
        rows.append((Cell(row.name), Cell(str(len(row.runs))), *cells))
    return Table(("Method", "n", *map(str.capitalize, FREQUENCIES)), tuple(rows), title)


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per row, part and moment."""
    if not is_imbalanced(judged.group):
        return []
    return [
        (row.label, len(row.runs), frequency, moment, spread.mean, spread.half)
        for row in judged.group.rows
        for (frequency, moment), values in part_accuracies(row).items()
        for spread in [Spread(values)]
    ]


CHAPTER = Chapter(
    "imbalance",
    "Many, medium and few training images",
    READING,
    _tables,
    ("method", "n", "part", "moment", "accuracy", "accuracy_interval95"),
    _lines,
)
