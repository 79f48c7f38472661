"""The main table: every metric of every method, the verdict on it, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.cost import Cost
from cl_bench.reports.runs.find import LeftOut
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.machines import why_times_differ
from cl_bench.reports.runs.metrics import HEADLINE, MAIN, METRICS, metrics_beside
from cl_bench.reports.runs.names import first_row
from cl_bench.reports.runs.numbers import grouped, plain
from cl_bench.reports.runs.row import Row
from cl_bench.reports.runs.slugs import group_slugs
from cl_bench.reports.runs.zero_shot import (
    range_in_words,
    rows_beside_zero_shot,
    zero_shot_beside,
    zero_shot_range,
    zero_shot_rows,
)
from cl_bench.reports.statistics.verdicts import Judged, Verdict
from cl_bench.reports.tables import escape, table
from cl_bench.reports.tables.answer import answer, judgement
from cl_bench.reports.tables.chapter import LATEX_PACKAGES, latex_label, markdown_heading
from cl_bench.reports.tables.fitted import FITTED, fitted_cell, fitted_notes
from cl_bench.reports.tables.metric_column import metric_column, metric_names
from cl_bench.reports.tables.table import Cell, Table, number

MEANINGS = (
    "Accuracies in per cent, each the mean over the tasks. Transfer: on tasks before they are "
    "learned. Average: after each of the tasks. Last: after the last one. Learning acc. (learning "
    "accuracy): on each task right after it. Forgetting: best since learned, minus last; lower is better. BWT: last "
    "minus learning accuracy. Trainable: parameters that train in one task. Stored: the last checkpoint. Time: "
    "of learning, without evaluation, on the machine of the run. Fitted per task: values that the settings hold "
    "for single tasks (learning rates, epochs, others)."
)
READING = (
    "n runs with different seeds. ±: half of the mean's 95 % interval over seeds (Student's t), from three "
    "seeds on; two show their lowest and highest value; what no seed changes has neither. Highest {best}, "
    "second {second}; zero-shot belongs to the backbone and is not ranked. ≈: cannot be told apart from the "
    "highest one in this metric, for other test images and other seeds together. °: the highest one is higher on "
    "these test images, and what other seeds would do is unknown."
)
AGAINST = {
    Verdict.alike: str(Verdict.alike),
    Verdict.images: "lower on these images, seeds unknown",
    Verdict.higher: "lower",
}
COSTS = ("Trainable", "Stored (MiB)", "Time (s)")
OTHERS = ("learned", "forgetting", "backward_transfer")  # metrics behind the main ones
EVERY = (*MAIN, *OTHERS, "forward_transfer")  # no screen has room for all beside verdict and cost
SEPARATE = (
    "Runs in different tables must not be compared: suite, order, tasks, preset, protocol or budget "
    "differ."
)


def markdown(groups: Sequence[Judged], left_out: Sequence[LeftOut] = ()) -> str:
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
        lines += ["", *markdown_heading(g.group), *_markdown_table(g), *_not_ranked(g.group)]
    if left_out:
        lines += ["", "## Left out", ""]
        lines += [f"- {escape.markdown(f'{path}: {reason}')}" for path, reason in left_out]
    return "\n".join(lines) + "\n"


def main_table(judged: Judged) -> Table:
    """The main metrics of every row with verdict and cost, then its other metrics; zero-shot above."""
    g = judged.group
    rows, beside = rows_beside_zero_shot(g), metrics_beside(g.config)
    header = (
        "Method",
        "n",
        *metric_names(MAIN),
        f"Verdict ({METRICS[HEADLINE]})",
        *COSTS,
        *metric_names(OTHERS),
        FITTED,
        *metric_names(beside),
    )
    main, others, further = (
        [metric_column(judged, metric, rows) for metric in metrics]
        for metrics in (MAIN, OTHERS, beside)
    )
    verdicts = [Cell(words) for words in _verdicts(judged, rows)]
    costs = [_costs(row) for row in rows]
    body = tuple(
        (Cell(row.name), Cell(str(len(row.runs))), *(c[i] for c in main), verdicts[i], *costs[i],
         *(c[i] for c in others), fitted_cell(row), *(c[i] for c in further))
        for i, row in enumerate(rows)
    )  # fmt: skip
    above = (*_zero_shot(g, MAIN), *(Cell("") for _ in range(1 + len(COSTS))))
    above += (*(Cell("-") for _ in (*OTHERS, FITTED)), *_zero_shot_beside(g, beside))
    verdict_column = frozenset({2 + len(MAIN)})
    return Table(header, body, words=verdict_column, notes=_notes(judged), above=above)


def metrics_table(judged: Judged) -> Table:
    """Every metric of every row, narrow enough for a printed page; zero-shot above."""
    g = judged.group
    rows, beside = rows_beside_zero_shot(g), metrics_beside(g.config)
    columns = [metric_column(judged, metric, rows) for metric in EVERY]
    further = [metric_column(judged, metric, rows) for metric in beside]
    body = tuple(
        (Cell(row.name), Cell(str(len(row.runs))), *(column[i] for column in columns),
         fitted_cell(row), *(column[i] for column in further))
        for i, row in enumerate(rows)
    )  # fmt: skip
    above = (*_zero_shot(g, MAIN), *(Cell("-") for _ in (*EVERY[len(MAIN) :], FITTED)))
    above += _zero_shot_beside(g, beside)
    header = ("Method", "n", *metric_names(EVERY), FITTED, *metric_names(beside))
    return Table(header, body, notes=_notes(judged), above=above)


def _zero_shot(g: Group, metrics: Sequence[str]) -> tuple[Cell, ...]:
    """The line above the methods: its name, no number of runs, and its accuracies."""
    found = (range_in_words(zero_shot_range(g, metric)) if g.rows else "-" for metric in metrics)
    return (Cell(first_row(g.config)), Cell(""), *map(Cell, found))


def _zero_shot_beside(g: Group, metrics: Sequence[str]) -> tuple[Cell, ...]:
    """What the backbone has in the metrics beside the matrix: a set's number before anything was learned."""
    return tuple(Cell(range_in_words(zero_shot_beside(g, metric))) for metric in metrics)


def _notes(judged: Judged) -> tuple[str, ...]:
    """What must be known before single numbers of the table are compared."""
    g = judged.group
    lines = [f"Not tested: {reason}" for reason in judged.untested]
    if len(zero_shot_rows(g)) > 1:
        lines.append(
            "Zero-shot differs between these runs, by prompts, precision or device: lowest and highest "
            "are given"
        )
    if g.config.protocol.labels == "seen":
        lines.append(
            f"{first_row(g.config)}: before anything is learned, each image has its own task's classes alone to "
            "choose from. It is no reference for Average, Last and FWT; the row of the method zero-shot is"
        )
    if reason := why_times_differ(run for row in g.rows for run in row.runs):
        lines.append(f"The times do not compare: {reason}")
    return (*lines, *fitted_notes(g.rows))


def _verdicts(judged: Judged, rows: Sequence[Row]) -> list[str]:
    """Of every row: the highest, or what the statistics say of its difference from the highest."""
    highest = judged.best(HEADLINE)
    first = next((row for row in rows if row.label == highest), None)
    ranked = [row for row in judged.group.ranked if row.mean(HEADLINE) is not None]
    if first is None or len(ranked) < 2:
        return ["-" for _ in rows]
    found = {
        row.label: judgement(judged, HEADLINE, first, row) for row in ranked if row is not first
    }
    words = {
        label: "not tested" if pair is None else AGAINST[pair.verdict]
        for label, pair in found.items()
    }
    words[first.label] = (
        "best" if {*words.values()} == {AGAINST[Verdict.higher]} else "highest mean"
    )
    return [words.get(row.label, "-") for row in rows]


def _costs(row: Row) -> tuple[Cell, ...]:
    """Under ``COSTS``; a dash where a run did not record it."""
    cost = Cost.of_runs(row.runs)
    stored = None if cost.last_bytes is None else cost.last_bytes / 2**20
    return (
        number(cost.trainable_parameters, grouped),
        number(stored, partial(plain, digits=2)),
        number(cost.learning_seconds, grouped),
    )


def _markdown_table(judged: Judged) -> list[str]:
    g = judged.group
    if not g.rows:
        return ["No finished run."]
    shown = main_table(judged)
    lines = [line for words in answer(judged) for line in (escape.markdown(words), "")]
    lines += table.markdown(shown)
    # The label holds as few settings as tell the rows apart; all of them are given here.
    more = [row for row in g.rows if row.differs and row.label != _labelled_in_full(row)]
    if more:
        lines += ["", "All settings in which rows of one method differ:", ""]
    lines += [f"- {escape.markdown(f'{row.label}: {row.differs}')}" for row in more]
    if notes := (*shown.notes, *g.notes):
        lines += ["", "Notes:", "", *(f"- {escape.markdown(note)}" for note in notes)]
    return lines


def _labelled_in_full(row: Row) -> str:
    return f"{row.runs[0].config.method} ({row.differs})"


def _not_ranked(g: Group) -> list[str]:
    if not g.unfinished:
        return []
    return ["", "Not ranked:", "", *(f"- {escape.markdown(_excuse(run))}" for run in g.unfinished)]


def _excuse(run: RunResult) -> str:
    reason = run.manifest.reason
    return (
        f"{run.config.method}, seed {run.config.seed}: status {run.manifest.stands}, "
        f"{len(run.matrix.rows)} of {len(run.config.tasks)} tasks learned"
        f"{f', {reason}' if reason else ''} ({run.path.as_posix()})"
    )


def _latex_notes(g: Group) -> tuple[str, ...]:
    """What a reader of the printed table needs: how numbers are read, then what single rows need."""
    reading = READING.format(best="in bold", second="underlined")
    return (reading, *g.notes)


def latex(groups: Sequence[Judged]) -> str:
    """The tables in LaTeX for the package booktabs, one ``table`` per group that has results."""
    fwt = "FWT: on each task right before it is learned, minus zero-shot."
    lines = [LATEX_PACKAGES, f"% {MEANINGS} {fwt}"]
    for judged, slug in zip(groups, group_slugs([g.group for g in groups]), strict=True):
        g = judged.group
        if g.rows:
            lines += [
                "",
                *table.latex(
                    metrics_table(judged),
                    f"{g.title}; {g.details}",
                    latex_label("main", slug),
                    _latex_notes(g),
                ),
            ]
        lines += [f"% Not ranked: {escape.latex(_excuse(run))}" for run in g.unfinished]
    return "\n".join(lines) + "\n"
