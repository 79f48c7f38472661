"""Two methods, or two runs, side by side on the terminal: data set by data set, and what it amounts to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.find import LeftOut, read_runs
from cl_bench.reports.runs.group import MAIN, METRICS
from cl_bench.reports.runs.names import circumstances, protocol, short_names
from cl_bench.reports.runs.numbers import plain
from cl_bench.reports.statistics.outcomes import Outcomes, RunOutcomes, gather, outcomes_of
from cl_bench.reports.statistics.verdicts import Judgement, Verdict, judge_family
from cl_bench.reports.tables.differences import difference_in_words, interval_in_words, p_in_words

MARKS = {Verdict.higher: "*", Verdict.images: "°", Verdict.alike: "\u00a0"}  # as wide as the others
NOTE = (
    "*: the two can be told apart on this data set, for other test images and other seeds (5 % for all data "
    "sets of a metric together, after Holm); °: on these test images, seeds unknown."
)
Known = dict[str, Outcomes]  # "a" and "b" -> one metric


@dataclass(frozen=True)
class _Side:
    """The finished runs of one method with one choice of settings.

    Attributes:
        runs: one for each seed.
        outcomes: the same, image by image.
        left_out: what lies there, too, and cannot be used.
    """

    runs: tuple[RunResult, ...]
    outcomes: tuple[RunOutcomes, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def config(self) -> RunConfig:
        return self.runs[0].config

    @property
    def name(self) -> str:
        variant = self.config.method_settings.get("variant")
        seeds = ", ".join(str(run.config.seed) for run in self.runs)
        return (
            f"{self.config.method}{f' ({variant})' if variant else ''}, preset {self.config.preset}, "
            f"seed{'s' if len(self.runs) > 1 else ''} {seeds}"
        )


def compare(a: Path, b: Path) -> RenderableType:
    """Transfer, Average and Last of both, data set by data set, and what may be said of them.

    Args:
        a: a run, or a folder with several seeds of one method.
        b: another.

    Raises:
        UserError: there is no finished run, or the two must not be compared.
    """
    first, second = _side(a), _side(b)
    _must_agree(first, second)
    known = {
        metric: {"a": gather(first.outcomes, metric), "b": gather(second.outcomes, metric)}
        for metric in MAIN
        if first.outcomes[0].shares[metric]
    }
    heading = Text(f"a  {first.name}\nb  {second.name}\n{circumstances(first.config)}\n")
    sentences = [_sentence(metric, of) for metric, of in known.items()]
    table = _table(first.config.tasks, known)
    warnings = _warnings(first, second)
    return Group(heading, *warnings, table, Text(NOTE + "\n", style="dim"), *sentences)


def _side(path: Path) -> _Side:
    """What is at or below ``path``."""
    runs, left_out = read_runs([path])
    finished = tuple(run for run in runs if run.finished)
    if not finished:
        raise UserError(f"no finished run under {path}")
    if (
        len({(r.config.method, str(r.config.method_settings), r.config.order) for r in finished})
        > 1
    ):
        raise UserError(f"{path} holds runs of several methods or settings; name one of them")
    return _Side(finished, tuple(map(outcomes_of, finished)), tuple(left_out))


def _must_agree(first: _Side, second: _Side) -> None:
    ours, theirs = first.config.question(), second.config.question()
    for what, answer in ours.items():
        if answer != theirs[what]:
            raise UserError(
                f"the two must not be compared: their {what} differs ({answer} and {theirs[what]})"
            )
    if len({outcomes.images for outcomes in (*first.outcomes, *second.outcomes)}) > 1:
        raise UserError("the two must not be compared: their test images differ")


def _warnings(first: _Side, second: _Side) -> list[Text]:
    lines = [f"left out {path}: {reason}" for path, reason in (*first.left_out, *second.left_out)]
    rules = [f"preset {side.config.preset}, {protocol(side.config)}" for side in (first, second)]
    if rules[0] != rules[1]:
        lines.append(f"under different rules: a {rules[0]}; b {rules[1]}")
    return [Text(line + "\n", style="yellow") for line in lines]


def _table(tasks: Sequence[str], known: dict[str, Known]) -> Table:
    """Data sets down; a, b and their difference for each metric across."""
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("data set")
    for metric in known:
        for column in (f"{METRICS[metric]} a", "b", "b - a"):
            table.add_column(column, justify="right")
    cells = {metric: _cells(of) for metric, of in known.items()}
    for name, task in zip(short_names(tasks), tasks, strict=True):
        table.add_row(
            name, *(c for of in cells.values() for c in of.get(task, ("-", "-", "-\u00a0")))
        )
    return table


def _cells(known: Known) -> dict[str, tuple[str, str, str]]:
    """Per task: a, b, and b minus a with its mark."""
    tasks = known["a"].tasks
    judged = judge_family([("a", "b", j) for j in range(len(tasks))], known)
    cells = {}
    for j, (task, pair) in enumerate(zip(tasks, judged, strict=True)):
        of_a, of_b = (plain(float(known[side].seeds[:, j].mean())) for side in "ab")
        shown = difference_in_words(_b_minus_a(pair), pair)
        cells[task] = (of_a, of_b, shown + MARKS[pair.verdict])
    return cells


def _b_minus_a(pair: Judgement) -> float:
    return -pair.difference.points if pair.a == "a" else pair.difference.points


def _sentence(metric: str, known: Known) -> Text:
    """The metric over all data sets: the three questions apart, then the verdict."""
    (pair,) = judge_family([("a", "b", None)], known)
    d, sign = pair.difference, -1 if pair.a == "a" else 1
    ours, theirs = (d.a, d.b) if pair.a == "a" else (d.b, d.a)
    verdict = str(pair.verdict)
    if pair.verdict is not Verdict.alike:
        verdict = f"{pair.a} is {verdict}"
    return Text.assemble(
        (
            f"{METRICS[metric]}  b - a {difference_in_words(_b_minus_a(pair), pair)}: {verdict}\n",
            "bold",
        ),
        f"  these images  p {p_in_words(d.images.p)} for other test images of the same data sets\n",
        f"  other seeds   a {ours.words()}, b {theirs.words()}{'' if d.both else ': unknown'}\n",
        f"  both          {interval_in_words(pair, sign)}",
        " (95 % interval)\n" if d.both else "\n",
    )
