"""Tables as the page shows them: a header, rows of cells, and who comes first."""

from __future__ import annotations

from dataclasses import dataclass

from cl_bench.reports.compare import DECIMALS, FIGURES, LOWER_IS_BETTER, Group, Row


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it shows; nothing in it is markup.
        place: 1 for the best of its column, 2 for the second, 0 for all else.
        value: what its column is sorted by; without one, the number that the text begins with, or
            the text.
        link: the anchor that it leads to on the page, if any.
    """

    text: str
    place: int = 0
    value: float | None = None
    link: str = ""


@dataclass(frozen=True)
class Table:
    """A sortable table; every row has as many cells as the header."""

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def main_table(group: Group) -> Table:
    """Every figure of every row of a group."""
    names = [n + (" ↓" if f in LOWER_IS_BETTER else "") for f, n in FIGURES.items()]
    rows = [
        (
            Cell(row.name),
            Cell(str(len(row.runs))),
            *(_figure(group, row, figure) for figure in FIGURES),
        )
        for row in group.rows
    ]
    return Table(("Method", "n", *names), tuple(rows))


def _figure(group: Group, row: Row, figure: str) -> Cell:
    mean, interval = row.mean(figure), row.interval(figure)
    if mean is None:
        return Cell("-")
    text = f"{mean:.{DECIMALS}f}"
    if interval is not None:
        text += f" ± {interval:.{DECIMALS}f}"
    if row.label in group.alike and figure == "last":
        text += " ≈"
    return Cell(text, group.places.get((row.label, figure), 0), mean)
