"""What may be said of every pair of rows: higher, not told apart, or unknown for other seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

from cl_bench.benchmark.errors import UserError
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.metrics import INCREMENTAL, judged_metrics
from cl_bench.reports.runs.row import Row
from cl_bench.reports.statistics.difference import Difference, difference
from cl_bench.reports.statistics.holm import levels
from cl_bench.reports.statistics.outcomes import (
    Outcomes,
    RunOutcomes,
    gather,
    outcomes_of,
)


class Verdict(StrEnum):
    """What the difference of two rows amounts to."""

    higher = "higher"
    images = "higher on these images, seeds unknown"
    alike = "cannot be told apart"


@dataclass(frozen=True)
class Judgement:
    """A difference and what may be said of it.

    Attributes:
        a: label of the row that is higher in this sample.
        b: label of the other.
        task: the one task that is looked at; ``None``: all of the metric.
        difference: a minus b, not below 0.
        level: at which it was tested, after Holm over its family.
    """

    a: str
    b: str
    task: str | None
    difference: Difference
    level: float

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the difference, at the level of the test; ``None`` where seeds are unknown."""
        both = self.difference.both
        return None if both is None else both.interval(self.level)

    @property
    def verdict(self) -> Verdict:
        """From images and seeds together; where seeds are unknown, from images alone."""
        if self.difference.known.p > self.level:
            return Verdict.alike
        return Verdict.images if self.difference.both is None else Verdict.higher


@dataclass(frozen=True)
class Judged:
    """A group with everything that may be said of its ranked rows.

    Attributes:
        group: the rows.
        pairs: per metric, every pair of rows; one family of tests.
        tasks: per metric, every other row against the best one on every task or set; one family.
        untested: the runs that were left out, each with the reason.
    """

    group: Group
    pairs: Mapping[str, tuple[Judgement, ...]]
    tasks: Mapping[str, tuple[Judgement, ...]]
    untested: tuple[str, ...]

    def best(self, metric: str) -> str | None:
        """Label of the ranked row with the highest mean, if there is one."""
        rows = [(m, row.label) for row in self.group.ranked if (m := row.mean(metric)) is not None]
        return max(rows, key=lambda row: row[0])[1] if rows else None

    def against_best(self, metric: str) -> tuple[Judgement, ...]:
        """The pairs of the best row, the smallest difference first."""
        best = self.best(metric)
        of_best = [pair for pair in self.pairs.get(metric, ()) if best in (pair.a, pair.b)]
        return tuple(sorted(of_best, key=lambda pair: pair.difference.points))

    def verdicts(self, metric: str) -> dict[str, Verdict]:
        """Row label -> what the best row is against it; the best row itself is not in it."""
        best = self.best(metric)
        return {p.b if p.a == best else p.a: p.verdict for p in self.against_best(metric)}


def judge(group: Group) -> Judged:
    """Test all ranked rows of a group against each other, on the test images that they share."""
    usable, untested = _usable(group.ranked)
    pairs, tasks = {}, {}
    for metric in judged_metrics(group.config):
        known = {
            row.label: outcomes
            for row, runs in usable
            if row.values(metric) and (outcomes := gather(runs, metric)).tasks
        }
        pairs[metric] = judge_family([(a, b, None) for a, b in combinations(known, 2)], known)
        means = {row.label: row.mean(metric) or 0.0 for row, _ in usable if row.label in known}
        if means and metric not in INCREMENTAL:  # there an image's weight is not its task's alone
            best = max(means, key=lambda label: means[label])
            asked = [
                (best, b, j) for b in known if b != best for j in range(len(known[best].tasks))
            ]
            tasks[metric] = judge_family(asked, known)
    return Judged(group, pairs, tasks, untested)


def judge_family(
    asked: Sequence[tuple[str, str, int | None]], known: Mapping[str, Outcomes]
) -> tuple[Judgement, ...]:
    """Test some pairs of rows, over all tasks or on one, as one family.

    Args:
        asked: labels of two rows and the index of a task, or ``None`` for all.
        known: the rows' outcomes in one metric.
    """
    found = []
    for a, b, task in asked:
        d = difference(known[a], known[b], task)
        if d.points < 0:
            a, b, d = b, a, difference(known[b], known[a], task)
        found.append((a, b, None if task is None else known[a].tasks[task], d))
    judged = levels([d.known.p for *_, d in found])
    return tuple(Judgement(*pair, level) for pair, level in zip(found, judged, strict=True))


def _usable(rows: Sequence[Row]) -> tuple[list[tuple[Row, list[RunOutcomes]]], tuple[str, ...]]:
    """Every row's runs image by image; and why some cannot be tested."""
    found: dict[tuple[str, int], RunOutcomes] = {}
    untested = []
    for row in rows:
        for run in row.runs:
            try:
                found[row.label, run.config.seed] = outcomes_of(run)
            except UserError as error:
                untested.append(f"{row.label}, seed {run.config.seed}: {error}")
    images = Counter(outcomes.images for outcomes in found.values())
    usual = images.most_common(1)[0][0] if images else ""
    untested += [
        f"{label}, seed {seed}: its test images are not those of the other runs"
        for (label, seed), outcomes in found.items()
        if outcomes.images != usual
    ]
    usable = []
    for row in rows:
        kept = [o for (label, _), o in found.items() if label == row.label and o.images == usual]
        usable += [(row, kept)] if kept else []
    return usable, tuple(untested)
