"""Recall of image-text retrieval: its columns in the main table, and a chapter of its own.

It is no part of Transfer, Average or Last.
"""

from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean

from cl_bench.benchmark.record import RECALL_AT, WAYS, recall_name
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.metrics import RETRIEVAL
from cl_bench.reports.runs.row import Row
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.metric_column import metric_table
from cl_bench.reports.tables.table import Cell, Table, number, words_alone

NONE = "These runs have no retrieval sets."


def _tables(judged: Judged) -> list[Table]:
    """The means of recall at 1, then every set both ways."""
    g = judged.group
    if not g.config.retrieval or not g.rows:
        return [words_alone(NONE if g.rows else "No finished run.")]
    title = "Recall at 1, mean over both ways and the retrieval sets"
    first = metric_table(judged, tuple(RETRIEVAL), title)
    return [first, *(_of_set(g, name, way) for name in g.config.retrieval for way in WAYS)]


def _of_set(g: Group, name: str, way: str) -> Table:
    """Recall at every k before anything was learned and after the last task."""
    header = tuple(f"R@{k} {when}" for k in RECALL_AT for when in ("before", "last"))
    rows = tuple(
        (*_who(row), *map(number, (v for k in RECALL_AT for v in _ends(row, name, way, k))))
        for row in g.rows
    )
    return Table(("Method", "n", *header), rows, f"{name}, {WAYS[way]}")


def _who(row: Row) -> tuple[Cell, Cell]:
    return Cell(row.name), Cell(str(len(row.runs)))


def _ends(row: Row, name: str, way: str, k: int) -> tuple[float, float]:
    curve = [fmean(values) for values in row.retrieval_curve(name, recall_name(way, k))]
    return curve[0], curve[-1]


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per row, set, number of tasks learned, way and k."""
    g = judged.group
    return [
        (row.label, len(row.runs), name, learned, way, k, spread.mean, spread.half)
        for row in g.rows
        for name in g.config.retrieval
        for way in WAYS
        for k in RECALL_AT
        for learned, spread in _spreads(row, name, recall_name(way, k))
    ]


def _spreads(row: Row, name: str, recall: str) -> Iterator[tuple[int, Spread]]:
    return ((i, Spread(values)) for i, values in enumerate(row.retrieval_curve(name, recall)))


CHAPTER = Chapter(
    "retrieval",
    "Image-text retrieval",
    "Recall in per cent on captioned pictures that are searched and never learned. Image to text: one of the "
    "picture's captions is among the first k of all captions; text to image: its picture is among the first k of all "
    "pictures; at equal scores what belongs together comes last. Before: zero-shot; last: after the last task. Means "
    "over seeds.",
    _tables,
    (
        "method",
        "n",
        "retrieval_set",
        "learned_tasks",
        "direction",
        "k",
        "recall",
        "recall_interval95",
    ),
    _lines,
)
