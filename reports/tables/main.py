"""The main table: every metric of every method."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.find import LeftOut
from cl_bench.reports.runs.group import LOWER_IS_BETTER, METRICS, Group, Row
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import Judged, Verdict
from cl_bench.reports.tables import escape, table
from cl_bench.reports.tables.chapter import LATEX_PACKAGES, markdown_heading
from cl_bench.reports.tables.csv_file import GROUP_HEADER, Value, group_values, to_csv
from cl_bench.reports.tables.table import Cell, Table

MEANINGS = (
    "Accuracies in per cent, each the mean over the tasks. Transfer: on tasks before they are "
    "learned. Average: after each of the tasks. Last: after the last one. Learning acc. (learning "
    "accuracy): on each task right after it. Forgetting: best since learned, minus last; lower is better. BWT: last "
    "minus learning accuracy."
)
READING = (
    "n runs with different seeds. ±: half of the mean's 95 % interval over seeds (Student's t), from three "
    "seeds on; two show their lowest and highest value; what no seed changes has neither. Best {best}, "
    "second {second}; zero-shot belongs to the backbone and is not ranked. ≈: cannot be told apart from the "
    "best one in this metric, for other test images and other seeds together. °: the best one is higher on "
    "these test images, and what other seeds would do is unknown."
)
MARKS = {Verdict.alike: "≈", Verdict.images: "°", Verdict.higher: ""}
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
    """Every metric of every row of a group."""
    names = [n + (" ↓" if f in LOWER_IS_BETTER else "") for f, n in METRICS.items()]
    marks = {metric: _marks(judged, metric) for metric in METRICS}
    rows = [
        (
            Cell(row.name),
            Cell(str(len(row.runs))),
            *(_metric(judged.group, row, f, marks[f].get(row.label, "")) for f in METRICS),
        )
        for row in judged.group.rows
    ]
    return Table(("Method", "n", *names), tuple(rows))


def _marks(judged: Judged, metric: str) -> dict[str, str]:
    """Row label -> its sign in this metric; the best row shares the sign of those like it."""
    marks = {label: MARKS[verdict] for label, verdict in judged.verdicts(metric).items()}
    best = judged.best(metric)
    return marks | ({best: "≈"} if best and "≈" in marks.values() else {})


def _metric(g: Group, row: Row, metric: str, mark: str) -> Cell:
    spread = Spread(row.values(metric))
    place = g.places.get((row.label, metric), 0)
    return Cell(spread.words(), place, spread.mean, remark=mark)


def _markdown_table(judged: Judged) -> list[str]:
    g = judged.group
    if not g.rows:
        return ["No finished run."]
    lines = table.markdown(main_table(judged))
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
    reason = run.manifest.reason
    return (
        f"{run.config.method}, seed {run.config.seed}: status {run.manifest.stands}, "
        f"{len(run.matrix.rows)} of {len(run.config.tasks)} tasks learned"
        f"{f', {reason}' if reason else ''} ({run.path.as_posix()})"
    )


def latex(groups: Sequence[Judged]) -> str:
    """The tables in LaTeX for the package booktabs, one ``table`` per group that has results."""
    lines = [LATEX_PACKAGES, f"% {MEANINGS}"]
    lines += [f"% {READING.format(best='bold', second='underlined')}"]
    for judged in groups:
        g = judged.group
        if g.rows:
            lines += ["", *table.latex(main_table(judged), f"{g.title}; {g.details}", g.notes)]
        lines += [f"% Not ranked: {escape.latex(_excuse(run))}" for run in g.unfinished]
    return "\n".join(lines) + "\n"


def rows_csv(groups: Sequence[Group]) -> str:
    """One line per row of the main tables: mean and interval of every metric, full precision."""
    names = [name for metric in METRICS for name in (metric, f"{metric}_interval95")]
    lines = [
        (*group_values(g), row.label, row.differs, _seeds(row), len(row.runs), *_pairs(row))
        for g in groups
        for row in g.rows
    ]
    return to_csv((*GROUP_HEADER, "method", "differs", "seeds", "n", *names), lines)


def _seeds(row: Row) -> str:
    return " ".join(str(run.config.seed) for run in row.runs)


def _pairs(row: Row) -> list[Value]:
    spreads = (Spread(row.values(metric)) for metric in METRICS)
    return [cell for spread in spreads for cell in (spread.mean, spread.half)]


def runs_csv(groups: Sequence[Group]) -> str:
    """One line per run, finished or not; the metrics of an unfinished one stay empty."""
    lines: list[tuple[Value, ...]] = []
    for g in groups:
        members = [(row.label, run) for row in g.rows for run in row.runs]
        for label, run in [*members, *((run.config.method, run) for run in g.unfinished)]:
            metrics = run.matrix.metrics()
            status = "finished" if run.finished else run.manifest.stands
            lines += [
                (
                    *group_values(g),
                    label,
                    run.config.seed,
                    run.config.device,
                    run.config.digest(),
                    status,
                    len(run.matrix.rows),
                    *(metrics.get(f) for f in METRICS),
                    run.path.as_posix(),
                )
            ]
    header = ("method", "seed", "device", "digest", "status", "learned_tasks", *METRICS, "run")
    return to_csv((*GROUP_HEADER, *header), lines)
