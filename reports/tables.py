"""The main table: every figure of every method, in Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from cl_bench.benchmark.record import RunResult
from cl_bench.reports import escape
from cl_bench.reports.compare import DECIMALS, FIGURES, LOWER_IS_BETTER, Group, Row
from cl_bench.reports.names import short_names

Cell = str | int | float | None

MEANINGS = (
    "Accuracies in per cent, each the mean over the tasks. Transfer: on tasks before they are "
    "learned. Average: after each of the tasks. Last: after the last one. Just learned: on each "
    "task right after it. Forgetting: best since learned, minus last; lower is better. BWT: last "
    "minus just learned."
)
READING = (
    "n runs with different seeds: their mean, ± half of its 95 % confidence interval (Student's t) "
    "where n > 1. Best {best}, second {second}; zero-shot belongs to the backbone and is not ranked. "
    "≈: this Last and the best one cannot be told apart (paired test on the test images)."
)
SEPARATE = (
    "Runs in different tables must not be compared: suite, order, tasks, preset, protocol or budget "
    "differ."
)


def markdown(groups: Sequence[Group], left_out: Sequence[tuple[Path, str]] = ()) -> str:
    """The tables as Markdown, one section per group, and the runs that could not be read."""
    lines = [
        "# Results",
        "",
        MEANINGS,
        "",
        READING.format(best="**bold**", second="<u>underlined</u>"),
    ]
    if len(groups) > 1:
        lines += ["", SEPARATE]
    for g in groups:
        lines += ["", *markdown_heading(g), *_markdown_table(g), *_not_ranked(g)]
    if left_out:
        lines += ["", "## Left out", ""]
        lines += [f"- {escape.markdown(f'{path}: {reason}')}" for path, reason in left_out]
    return "\n".join(lines) + "\n"


def markdown_heading(g: Group) -> list[str]:
    """A group's section heading, what its runs have in common, and its tasks in their order."""
    tasks = ", ".join(short_names(g.config.tasks))
    return [
        f"## {escape.markdown(g.title)}",
        "",
        escape.markdown(f"{g.details[:1].upper()}{g.details[1:]}. Tasks: {tasks}."),
        "",
    ]


def _markdown_table(g: Group) -> list[str]:
    if not g.rows:
        return ["No finished run."]
    names = [n + (" ↓" if f in LOWER_IS_BETTER else "") for f, n in FIGURES.items()]
    lines = [f"| Method | n | {' | '.join(names)} |", "| --- | --: |" + " --: |" * len(names)]
    for row in g.rows:
        cells = [_marked(g, row, f, _number(row, f, "±"), ("**{}**", "<u>{}</u>")) for f in FIGURES]
        cells = [
            f"{cell} ≈" if f in told(g, row) else cell
            for f, cell in zip(FIGURES, cells, strict=True)
        ]
        lines += [f"| {escape.markdown(row.name)} | {len(row.runs)} | {' | '.join(cells)} |"]
    # The label holds as few settings as tell the rows apart; all of them are given here.
    more = [row for row in g.rows if row.differs and row.label != _labelled_in_full(row)]
    if more:
        lines += ["", "All settings in which rows of one method differ:", ""]
    lines += [f"- {escape.markdown(f'{row.label}: {row.differs}')}" for row in more]
    if g.notes:
        lines += ["", "Notes:", "", *(f"- {escape.markdown(note)}" for note in g.notes)]
    return lines


def _labelled_in_full(row: Row) -> str:
    return f"{row.runs[0].config.method} ({row.differs})"


def _not_ranked(g: Group) -> list[str]:
    if not g.unfinished:
        return []
    return ["", "Not ranked:", "", *(f"- {escape.markdown(_excuse(run))}" for run in g.unfinished)]


def _excuse(run: RunResult) -> str:
    reason = run.manifest.get("reason")
    return (
        f"{run.config.method}, seed {run.config.seed}: status {run.manifest.get('status')}, "
        f"{len(run.matrix.rows)} of {len(run.config.tasks)} tasks learned"
        f"{f', {reason}' if reason else ''} ({run.path.as_posix()})"
    )


def told(g: Group, row: Row) -> tuple[str, ...]:
    """The figures of a row that cannot be told from the best one's."""
    return ("last",) if row.label in g.alike else ()


def _number(row: Row, figure: str, plus_minus: str) -> str:
    mean, interval = row.mean(figure), row.interval(figure)
    if mean is None:
        return "-"
    number = f"{mean:.{DECIMALS}f}"
    return number if interval is None else f"{number} {plus_minus} {interval:.{DECIMALS}f}"


def _marked(g: Group, row: Row, figure: str, text: str, marks: tuple[str, str]) -> str:
    """``text`` inside the mark of its place, a format string each for first and second."""
    place = g.places.get((row.label, figure))
    return marks[place - 1].format(text) if place else text


def latex(groups: Sequence[Group]) -> str:
    """The tables in LaTeX for the package booktabs, one ``table`` per group that has results."""
    lines = [r"% \usepackage[T1]{fontenc} \usepackage{booktabs}", f"% {MEANINGS}"]
    lines += [f"% {READING.format(best='bold', second='underlined')}"]
    for g in groups:
        if g.rows:
            lines += ["", *_latex_table(g)]
        lines += [f"% Not ranked: {escape.latex(_excuse(run))}" for run in g.unfinished]
    return "\n".join(lines) + "\n"


def _latex_table(g: Group) -> list[str]:
    names = [n + (r" $\downarrow$" if f in LOWER_IS_BETTER else "") for f, n in FIGURES.items()]
    marks = (r"\textbf{{{}}}", r"\underline{{{}}}")
    body = []
    for row in g.rows:
        cells = [_marked(g, row, f, _number(row, f, r"$\pm$"), marks) for f in FIGURES]
        alike = [rf"{cell} $\approx$" for cell in cells]
        cells = [
            a if f in told(g, row) else c for f, c, a in zip(FIGURES, cells, alike, strict=True)
        ]
        body += [" & ".join([escape.latex(row.name), str(len(row.runs)), *cells]) + r" \\"]
    return [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{escape.latex(f'{g.title}; {g.details}')}.}}",
        r"\begin{tabular}{lr" + "r" * len(FIGURES) + "}",
        r"\toprule",
        " & ".join(["Method", "$n$", *names]) + r" \\",
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        *(rf"\par {escape.latex(note)}." for note in g.notes),
        r"\end{table}",
    ]


GROUP_HEADER = (
    "suite", "about", "suite_digest", "order", "tasks", "backbone", "precision", "preset",
    "prompts", "augment",
)  # fmt: skip


def group_cells(g: Group) -> tuple[Cell, ...]:
    """What a group's runs have in common, under ``GROUP_HEADER``."""
    c = g.config
    own = c.preset == "paper"
    return (
        c.suite.name, c.suite.about, c.suite.digest, c.order, len(c.tasks), c.backbone.name,
        c.protocol.precision, c.preset, "own" if own else c.protocol.prompts, "own" if own else c.protocol.augment,
    )  # fmt: skip


def rows_csv(groups: Sequence[Group]) -> str:
    """One line per row of the main tables: mean and interval of every figure, full precision."""
    names = [name for figure in FIGURES for name in (figure, f"{figure}_interval95")]
    lines = [
        (*group_cells(g), row.label, row.differs, _seeds(row), len(row.runs), *_pairs(row))
        for g in groups
        for row in g.rows
    ]
    return to_csv((*GROUP_HEADER, "method", "differs", "seeds", "n", *names), lines)


def _seeds(row: Row) -> str:
    return " ".join(str(run.config.seed) for run in row.runs)


def _pairs(row: Row) -> list[Cell]:
    return [cell for figure in FIGURES for cell in (row.mean(figure), row.interval(figure))]


def runs_csv(groups: Sequence[Group]) -> str:
    """One line per run, finished or not; the figures of an unfinished one stay empty."""
    lines: list[tuple[Cell, ...]] = []
    for g in groups:
        members = [(row.label, run) for row in g.rows for run in row.runs]
        for label, run in [*members, *((run.config.method, run) for run in g.unfinished)]:
            figures = run.matrix.metrics()
            status = "finished" if run.finished else str(run.manifest.get("status"))
            lines += [
                (
                    *group_cells(g),
                    label,
                    run.config.seed,
                    run.config.device,
                    run.config.digest(),
                    status,
                    len(run.matrix.rows),
                    *(figures.get(f) for f in FIGURES),
                    run.path.as_posix(),
                )
            ]
    header = ("method", "seed", "device", "digest", "status", "learned_tasks", *FIGURES, "run")
    return to_csv((*GROUP_HEADER, *header), lines)


def to_csv(header: Sequence[str], lines: Iterable[Sequence[Cell]]) -> str:
    """Comma-separated values with names that no spreadsheet takes for formulas."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for line in lines:
        writer.writerow([escape.spreadsheet(c) if isinstance(c, str) else c for c in line])
    return text.getvalue()
