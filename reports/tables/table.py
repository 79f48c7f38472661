"""A table as every format shows it, and its Markdown and LaTeX; the page's template writes HTML."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from cl_bench.reports.runs.numbers import plain
from cl_bench.reports.tables import escape

LONG = 40  # characters; longer words are broken into lines in LaTeX


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: what it shows; nothing in it is markup.
        place: 1 for the best of its column, 2 for the second, 0 for all else.
        value: what its column is sorted by on the page; without one, the number that the text
            begins with, or the text.
        link: the anchor that it leads to on the page, if any.
        remark: a sign behind the text, outside of what marks its place.
    """

    text: str
    place: int = 0
    value: float | None = None
    link: str = ""
    remark: str = ""


@dataclass(frozen=True)
class Table:
    """A table; every row has as many cells as the header.

    Attributes:
        header: names of the columns.
        rows: its cells.
        title: what tells it apart from its neighbours.
        words: columns, besides the first, that hold words and not numbers.
        notes: what a reader must know, one line each.
        above: a row that the others are measured by; it is not sorted among them. May be empty.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    title: str = ""
    words: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    above: tuple[Cell, ...] = ()

    def is_words(self, column: int) -> bool:
        """Whether a column is set flush left."""
        return column == 0 or column in self.words


def number(value: float | None, write: Callable[[float], str] = plain) -> Cell:
    """A cell with a rounded number, sorted by all its digits; a dash where there is none."""
    return Cell("-") if value is None else Cell(write(value), value=value)


def words_alone(*notes: str) -> Table:
    """What is said in the place of a table that there is nothing for."""
    return Table((), (), notes=notes)


def markdown(table: Table) -> list[str]:
    """The lines of a Markdown table, best bold and second underlined; without title and notes."""
    rules = ["---" if table.is_words(i) else "--:" for i in range(len(table.header))]
    header = [escape.markdown(name) for name in table.header]
    body = [[_markdown_cell(cell) for cell in row] for row in _all_rows(table)]
    return [f"| {' | '.join(cells)} |" for cells in (header, rules, *body)]


def _all_rows(table: Table) -> tuple[tuple[Cell, ...], ...]:
    return (table.above, *table.rows) if table.above else table.rows


def _markdown_cell(cell: Cell) -> str:
    text = ("{}", "**{}**", "<u>{}</u>")[cell.place].format(escape.markdown(cell.text))
    return f"{text} {cell.remark}" if cell.remark else text


def latex(table: Table, caption: str, label: str, notes: Sequence[str] = ()) -> list[str]:
    """The lines of a LaTeX ``table``; long headers stand upright.

    It needs the packages booktabs, graphicx and threeparttable.

    Args:
        table: with the best in bold and the second underlined.
        caption: without the full stop at its end.
        label: what references to it call it.
        notes: set below the table, with the table's own, without full stops.
    """
    upright = len(table.header) > 10
    header = [escape.latex(name) for name in table.header]
    if upright:
        header = [header[0], *(rf"\rotatebox{{90}}{{{name}}}" for name in header[1:])]
    above = [[_latex_cell(cell) for cell in table.above]] if table.above else []
    body = [[_latex_cell(cell) for cell in row] for row in table.rows]
    columns = "".join(map(partial(_latex_column, table), range(len(header))))
    every = [escape.latex(note).rstrip(".") for note in (*table.notes, *notes)]
    items = [rf"\item {note}." for note in every]
    return [
        r"\begin{table}",
        r"\centering\footnotesize\setlength{\tabcolsep}{3pt}",
        r"\begin{threeparttable}",
        rf"\caption{{{escape.latex(caption)}.}}",
        rf"\label{{{label}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        rf"{' & '.join(header)} \\",
        r"\midrule",
        *(line for cells in above for line in (rf"{' & '.join(cells)} \\", r"\midrule")),
        *(rf"{' & '.join(cells)} \\" for cells in body),
        r"\bottomrule",
        r"\end{tabular}",
        *([r"\begin{tablenotes}\footnotesize", *items, r"\end{tablenotes}"] if items else []),
        r"\end{threeparttable}",
        r"\end{table}",
    ]


def _latex_column(table: Table, column: int) -> str:
    longest = max((len(row[column].text) for row in table.rows), default=0)
    return "r" if not table.is_words(column) else "l" if longest < LONG else "p{5cm}"


def _latex_cell(cell: Cell) -> str:
    shown = "--" if cell.text == "-" else escape.latex(cell.text)  # nothing there: a dash
    text = ("{}", r"\textbf{{{}}}", r"\underline{{{}}}")[cell.place].format(shown)
    return f"{text} {escape.latex(cell.remark)}" if cell.remark else text
