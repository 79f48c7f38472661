"""A chapter of the report: what it says of every group, in every format."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import short_names
from cl_bench.reports.runs.slugs import group_slugs
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables import escape, table
from cl_bench.reports.tables.csv_file import GROUP_HEADER, Value, group_values, to_csv
from cl_bench.reports.tables.table import Table

LATEX_PACKAGES = r"% \usepackage[T1]{fontenc} \usepackage{booktabs,graphicx,threeparttable}"


@dataclass(frozen=True)
class Chapter:
    """One file in every format, and a section of the page.

    Attributes:
        name: of its files.
        title: its heading.
        reading: how its numbers are read.
        tables: of a group, rounded for reading.
        header: columns of its CSV, behind those that say which group it is.
        lines: of a group's CSV; rounded to what numbers carry when they are written.
    """

    name: str
    title: str
    reading: str
    tables: Callable[[Judged], Sequence[Table]]
    header: tuple[str, ...]
    lines: Callable[[Judged], Sequence[Sequence[Value]]]

    def markdown(self, groups: Sequence[Judged]) -> str:
        """One section per group and, where it has several tables, one part per table."""
        lines = [f"# {self.title}", "", self.reading]
        for g in groups:
            lines += ["", *markdown_heading(g.group)]
            for t in self.tables(g):
                lines += [f"### {escape.markdown(t.title)}", ""] if t.title else []
                lines += [*table.markdown(t), ""] if t.rows else []
                lines += [line for note in t.notes for line in (escape.markdown(note), "")]
            lines.pop()
        return "\n".join(lines) + "\n"

    def latex(self, groups: Sequence[Judged]) -> str:
        """One LaTeX table per table, with the group in its caption."""
        lines = [LATEX_PACKAGES, f"% {self.reading}"]
        for g, slug in zip(groups, group_slugs([g.group for g in groups]), strict=True):
            for place, t in enumerate([t for t in self.tables(g) if t.rows], start=1):
                caption = f"{t.title or self.title}. {g.group.title}; {g.group.details}"
                label = latex_label(self.name, slug, place)
                lines += ["", *table.latex(t, caption, label)]
        return "\n".join(lines) + "\n"

    def csv(self, groups: Sequence[Judged]) -> str:
        """All groups in one file."""
        lines = ((*group_values(g.group), *line) for g in groups for line in self.lines(g))
        return to_csv((*GROUP_HEADER, *self.header), lines)


def latex_label(name: str, slug: str, place: int = 1) -> str:
    """``tab:cost:mini-II-fair``; a number behind it tells the tables of one chapter apart."""
    return f"tab:{name}:{slug}" + (f":{place}" if place > 1 else "")


def markdown_heading(g: Group) -> list[str]:
    """A group's section heading, what its runs have in common, and its tasks in their order."""
    tasks = ", ".join(short_names(g.config.tasks))
    return [
        f"## {escape.markdown(g.title)}",
        "",
        escape.markdown(f"{g.details[:1].upper()}{g.details[1:]}. Tasks: {tasks}."),
        "",
    ]
