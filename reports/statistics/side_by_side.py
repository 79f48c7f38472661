"""Two methods, or two runs, set side by side: every data set, every metric, and what may be said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.find import LeftOut, read_runs
from cl_bench.reports.runs.group import group
from cl_bench.reports.runs.metrics import INCREMENTAL, judged_metrics
from cl_bench.reports.runs.names import protocol
from cl_bench.reports.statistics.outcomes import Outcomes, RunOutcomes, gather, outcomes_of
from cl_bench.reports.statistics.verdicts import Judgement, judge_family

Known = Mapping[str, Outcomes]  # "a" and "b" -> one metric


@dataclass(frozen=True)
class Side:
    """The finished runs of one method with one choice of settings.

    Attributes:
        path: what was named.
        runs: one for each seed.
        outcomes: the same, image by image.
        left_out: what lies there, too, and cannot be used.
    """

    path: Path
    runs: tuple[RunResult, ...]
    outcomes: tuple[RunOutcomes, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def config(self) -> RunConfig:
        """Of its first run; seed and device aside, all have it."""
        return self.runs[0].config

    @property
    def seeds(self) -> tuple[int, ...]:
        """One of each run."""
        return tuple(run.config.seed for run in self.runs)


@dataclass(frozen=True)
class Pair:
    """One metric of both sides, over all data sets or on one; means over seeds, in per cent.

    Attributes:
        a: of the first.
        b: of the second.
        judgement: what their difference amounts to; its own order of the two is by their size.
    """

    a: float
    b: float
    judgement: Judgement

    @property
    def sign(self) -> int:
        """1 where the judgement is of b minus a already, else -1."""
        return 1 if self.judgement.a == "b" else -1

    @property
    def difference(self) -> float:
        """B minus a, in points."""
        return self.sign * self.judgement.difference.points


@dataclass(frozen=True)
class SideBySide:
    """Both sides, judged.

    Attributes:
        a: the first.
        b: the second.
        metrics: by metric, over all data sets.
        tasks: by metric and data set, or set that is no task; one family of tests for each metric. The
            incremental metrics have none: there an image's weight is not its task's alone.
    """

    a: Side
    b: Side
    metrics: Mapping[str, Pair]
    tasks: Mapping[str, Mapping[str, Pair]]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was left out, and whether the two learned by different rules."""
        lines = [f"left out {path}: {why}" for path, why in (*self.a.left_out, *self.b.left_out)]
        rules = [f"preset {s.config.preset}, {protocol(s.config)}" for s in (self.a, self.b)]
        if rules[0] != rules[1]:
            lines.append(f"under different rules: a {rules[0]}; b {rules[1]}")
        return tuple(lines)


def side_by_side(a: Path, b: Path) -> SideBySide:
    """Set two methods side by side.

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
        for metric in judged_metrics(first.config)
        if first.outcomes[0].metrics[metric].shares
    }
    metrics = {metric: _over_all(of) for metric, of in known.items()}
    tasks = {metric: _by_task(of) for metric, of in known.items() if metric not in INCREMENTAL}
    return SideBySide(first, second, metrics, tasks)


def _side(path: Path) -> Side:
    """What is at or below ``path``."""
    runs, left_out = read_runs([path])
    groups = group(runs)
    rows = [row for g in groups for row in g.rows]
    if not rows:
        raise UserError(f"no finished run under {path}")
    if len(rows) > 1:
        raise UserError(f"{path} holds runs of several methods or settings; name one of them")
    finished = rows[0].runs
    return Side(path, finished, tuple(map(outcomes_of, finished)), tuple(left_out))


def _must_agree(first: Side, second: Side) -> None:
    ours, theirs = first.config.question(), second.config.question()
    for what, answer in ours.items():
        if answer != theirs[what]:
            raise UserError(
                f"the two must not be compared: their {what} differs ({answer} and {theirs[what]})"
            )
    if len({outcomes.images for outcomes in (*first.outcomes, *second.outcomes)}) > 1:
        raise UserError("the two must not be compared: their test images differ")


def _over_all(known: Known) -> Pair:
    (judgement,) = judge_family([("a", "b", None)], known)
    a, b = (float(known[side].seeds.mean()) for side in "ab")
    return Pair(a, b, judgement)


def _by_task(known: Known) -> dict[str, Pair]:
    tasks = known["a"].tasks
    judged = judge_family([("a", "b", j) for j in range(len(tasks))], known)
    means = [known[side].seeds.mean(axis=0).tolist() for side in "ab"]
    return dict(zip(tasks, map(Pair, *means, judged), strict=True))
