"""The pictures of a report for LaTeX, each with its caption and the width that it was drawn in."""

from __future__ import annotations

from collections.abc import Iterable

from cl_bench.reports.tables.escape import latex as escaped

COLUMN = 4.0  # inches; what is wider goes over both columns


def latex(pictures: Iterable[tuple[str, str, float | None]]) -> str:
    """A figure for every picture; copy those that are wanted.

    Args:
        pictures: file name without suffix, caption, and width in inches.
    """
    return "".join(_figure(*picture) for picture in pictures)


def _figure(name: str, caption: str, inches: float | None) -> str:
    width = inches or COLUMN
    kind = "figure" if width <= COLUMN else "figure*"
    return (
        f"\\begin{{{kind}}}[t]\n"
        "\\centering\n"
        f"\\includegraphics[width={width:g}in]{{plots/{name}.pdf}}\n"
        f"\\caption{{{escaped(caption)}.}}\n"
        f"\\label{{fig:{name}}}\n"
        f"\\end{{{kind}}}\n\n"
    )
