"""Transfer, Average and Last of many runs, side by side where they may be."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean, stdev
from typing import Any

from scipy.stats import t as student_t

from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.record import RunResult

COLUMNS = {
    "transfer": "Transfer",
    "average": "Average",
    "last": "Last",
    "zero_shot": "Zero-shot",
    "learned": "Just learned",
    "forgetting": "Forgetting",
    "backward_transfer": "BWT",
}
LOWER_IS_BETTER = frozenset({"forgetting"})
NOT_RANKED = frozenset({"zero_shot"})  # the same for all
PER_TASK = ("transfer", "average", "last")


@dataclass(frozen=True)
class Row:
    """One method, its seeds taken together.

    Attributes:
        label: the method, and in brackets what distinguishes it from its namesakes.
        runs: its finished runs, one per seed.
    """

    label: str
    runs: tuple[RunResult, ...]

    def mean(self, figure: str) -> float | None:
        """The mean over seeds, or ``None`` where the figure does not exist (one task)."""
        values = self._values(figure)
        return fmean(values) if values else None

    def interval(self, figure: str) -> float | None:
        """Half the 95 % confidence interval of the mean (Student's t); ``None`` for one seed."""
        values = self._values(figure)
        if len(values) < 2:
            return None
        quantile = float(student_t.ppf(0.975, len(values) - 1))
        return float(quantile * stdev(values) / len(values) ** 0.5)

    def _values(self, figure: str) -> list[float]:
        return [m[figure] for run in self.runs if figure in (m := run.matrix.metrics())]


@dataclass(frozen=True)
class Group:
    """Runs that may be compared: same suite digest, order and tasks."""

    heading: str
    rows: tuple[Row, ...]
    unfinished: tuple[RunResult, ...]

    @cached_property
    def places(self) -> dict[tuple[str, str], int]:
        """(row label, figure) -> 1 for the best and 2 for the second of the group."""
        found = {}
        for figure in COLUMNS.keys() - NOT_RANKED:
            values = {round(m, 2) for r in self.rows if (m := r.mean(figure)) is not None}
            ranking = sorted(values, reverse=figure not in LOWER_IS_BETTER)
            for row in self.rows:
                mean = row.mean(figure)
                if len(self.rows) > 1 and mean is not None and round(mean, 2) in ranking[:2]:
                    found[row.label, figure] = ranking.index(round(mean, 2)) + 1
        return found


def group(runs: Sequence[RunResult]) -> list[Group]:
    """Sort runs into groups that may be compared, and the groups into rows."""
    together: dict[tuple[Any, ...], list[RunResult]] = defaultdict(list)
    for run in runs:
        config = run.config
        together[config.suite.name, config.suite.digest, config.order, config.tasks].append(run)
    return [_group(members) for _, members in sorted(together.items())]


def _group(runs: list[RunResult]) -> Group:
    config = runs[0].config
    heading = (
        f"{config.suite.about}; order {config.order}, {len(config.tasks)} tasks, "
        f"{config.backbone.name}, {config.protocol.precision}, {config.protocol.prompts} prompt"
        f"{'s' if config.protocol.prompts == 'ensemble' else ''} (digest {config.suite.digest})"
    )
    finished = [run for run in runs if run.finished]
    by_settings: dict[str, list[RunResult]] = defaultdict(list)
    for run in sorted(finished, key=lambda run: run.config.seed):
        by_settings[repr((run.config.method, _settings(run)))].append(run)
    rows = [Row(_label(members[0], finished), tuple(members)) for members in by_settings.values()]
    rows.sort(key=lambda row: (-(row.mean("average") or 0), row.label))
    return Group(heading, tuple(rows), tuple(run for run in runs if not run.finished))


def _settings(run: RunResult) -> list[tuple[str, Any]]:
    config = run.config
    return sorted((config.method_settings | config.recipe.model_dump()).items())


def _label(run: RunResult, others: Sequence[RunResult]) -> str:
    """The method's name, with the settings in which its namesakes differ."""
    namesakes = [dict(_settings(o)) for o in others if o.config.method == run.config.method]
    differing = [
        f"{key}={value}"
        for key, value in _settings(run)
        if any(other.get(key) != value for other in namesakes)
    ]
    return f"{run.config.method} ({', '.join(differing)})" if differing else run.config.method


def _number(row: Row, figure: str, plus_minus: str) -> str:
    mean, interval = row.mean(figure), row.interval(figure)
    if mean is None:
        return "-"
    return f"{mean:.2f}" if interval is None else f"{mean:.2f} {plus_minus} {interval:.2f}"


def _marked(group: Group, row: Row, figure: str, text: str, marks: tuple[str, str]) -> str:
    """``text`` inside the mark of its place, a format string each for first and second."""
    place = group.places.get((row.label, figure))
    return marks[place - 1].format(text) if place else text


NOTE = "Mean over seeds ± half of the 95 % interval. Best bold, second underlined. n: seeds."


def markdown(groups: Sequence[Group]) -> str:
    """The tables as Markdown, one section per group."""
    lines = ["# Results", "", NOTE, ""]
    for g in groups:
        lines += [f"## {escape_markdown(g.heading)}", ""]
        if g.rows:
            lines += [f"| Method | n | {' | '.join(COLUMNS.values())} |"]
            lines += ["| --- | --: |" + " --: |" * len(COLUMNS)]
        for row in g.rows:
            cells = [
                _marked(g, row, f, _number(row, f, "±"), ("**{}**", "<u>{}</u>")) for f in COLUMNS
            ]
            lines += [f"| {escape_markdown(row.label)} | {len(row.runs)} | {' | '.join(cells)} |"]
        lines += ["", *(f"Not ranked: {_excuse(run)}" for run in g.unfinished), ""]
        lines += _per_task_markdown(g)
    return "\n".join(lines).rstrip() + "\n"


def _excuse(run: RunResult) -> str:
    done = f"{len(run.matrix.rows)} of {len(run.config.tasks)} tasks learned"
    name = f"{run.config.method}, seed {run.config.seed} ({run.path.name})"
    return escape_markdown(f"{name}: {run.manifest.get('status')}, {done}")


def _per_task_markdown(g: Group) -> list[str]:
    if not g.rows or len(g.rows[0].runs[0].config.tasks) < 2:
        return []
    tasks = g.rows[0].runs[0].config.tasks
    lines = []
    for figure in PER_TASK:
        lines += [f"### {COLUMNS[figure]} per task", ""]
        lines += [f"| Method | {' | '.join(escape_markdown(t) for t in tasks)} |"]
        lines += ["| --- |" + " --: |" * len(tasks)]
        for row in g.rows:
            columns = zip(*(_per_task(run.matrix, figure) for run in row.runs), strict=True)
            cells = [_mean_or_dash(column) for column in columns]
            lines += [f"| {escape_markdown(row.label)} | {' | '.join(cells)} |"]
        lines += [""]
    return lines


def _per_task(matrix: AccuracyMatrix, figure: str) -> tuple[float | None, ...]:
    """The figure's part of every task; nothing stands before the first for Transfer."""
    if figure == "transfer":
        return (None, *matrix.transfer_per_task)
    return matrix.average_per_task if figure == "average" else matrix.last_per_task


def _mean_or_dash(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{fmean(known):.1f}" if known else "-"


def latex(groups: Sequence[Group]) -> str:
    """The main tables in LaTeX, for the package booktabs."""
    lines = [f"% {NOTE}"]
    for g in groups:
        if not g.rows:
            continue
        header = " & ".join(["Method", "$n$", *COLUMNS.values()])
        lines += [f"% {escape_latex(g.heading)}", r"\begin{tabular}{lr" + "r" * len(COLUMNS) + "}"]
        lines += [r"\toprule", header + r" \\", r"\midrule"]
        for row in g.rows:
            cells = [
                _marked(
                    g, row, f, _number(row, f, r"$\pm$"), (r"\textbf{{{}}}", r"\underline{{{}}}")
                )
                for f in COLUMNS
            ]
            body = " & ".join([escape_latex(row.label), str(len(row.runs)), *cells])
            lines += [body + r" \\"]
        lines += [r"\bottomrule", r"\end{tabular}", ""]
    return "\n".join(lines).rstrip() + "\n"


def table_csv(groups: Sequence[Group]) -> str:
    """One line per row of the main tables: mean and interval of every figure, full precision."""
    names = [n for figure in COLUMNS for n in (figure, f"{figure}_interval95")]

    def lines() -> list[list[Any]]:
        return [
            [
                g.heading,
                row.label,
                len(row.runs),
                *(value(f) for f in COLUMNS for value in (row.mean, row.interval)),
            ]
            for g in groups
            for row in g.rows
        ]

    return _csv(["group", "method", "seeds", *names], lines)


def runs_csv(runs: Sequence[RunResult]) -> str:
    """One line per run, finished or not."""

    def lines() -> list[list[Any]]:
        return [
            [
                str(run.path),
                run.config.suite.name,
                run.config.suite.digest,
                run.config.order,
                run.config.method,
                run.config.seed,
                "finished" if run.finished else run.manifest.get("status"),
                *(run.matrix.metrics().get(figure) for figure in COLUMNS),
            ]
            for run in runs
        ]

    header = ["run", "suite", "suite_digest", "order", "method", "seed", "status", *COLUMNS]
    return _csv(header, lines)


def _csv(header: list[str], lines: Callable[[], list[list[Any]]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    for line in lines():
        writer.writerow([escape_spreadsheet(v) if isinstance(v, str) else v for v in line])
    return text.getvalue()


def escape_markdown(text: str) -> str:
    """Make a name safe inside a Markdown table."""
    for character in "\\|*_`<>[]":
        text = text.replace(character, f"\\{character}")
    return text.replace("\n", " ")


def escape_latex(text: str) -> str:
    """Make a name safe in LaTeX."""
    special = {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
        "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    }  # fmt: skip
    return "".join(special.get(character, character) for character in text).replace("\n", " ")


def escape_spreadsheet(text: str) -> str:
    """Keep a spreadsheet from taking a name for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
