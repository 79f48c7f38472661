"""Is a difference more than noise? Paired tests on the same test images, after the last task.

Exact McNemar tests (McNemar 1947; the binomial form) ask whether, of the images that only one of two
models classifies right, one has more than its half. All pairs of a group are tested, so the p values
are corrected after Holm (1979). The test speaks of these trained models on other images; how much another
seed would change is what the interval over seeds says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult

if TYPE_CHECKING:
    from cl_bench.reports.compare import Group, Row

LEVEL = 0.05  # of significance
Hits = NDArray[np.bool_]  # one entry per test image


@dataclass(frozen=True)
class Comparison:
    """Two rows after the last task, on the seeds that both have.

    Attributes:
        a: label of the row with the higher Last.
        b: label of the other.
        seeds: how many seeds they share.
        difference: Last of a minus Last of b in points, for every shared seed.
        only_a: images that a alone classifies right, over all tasks and shared seeds.
        only_b: images that b alone classifies right.
        p: of the exact McNemar test.
        corrected: the same after Holm, over all pairs of the group.
    """

    a: str
    b: str
    seeds: int
    difference: tuple[float, ...]
    only_a: int
    only_b: int
    p: float
    corrected: float

    @property
    def significant(self) -> bool:
        """Whether the difference is more than noise."""
        return self.corrected < LEVEL


def mcnemar(only_a: int, only_b: int) -> float:
    """Two-sided p value of the exact McNemar test; 1 where the models never disagree."""
    from scipy.stats import binomtest  # half a second that most commands can do without

    disagreeing = only_a + only_b
    return float(binomtest(only_a, disagreeing).pvalue) if disagreeing else 1.0


def holm(p: Sequence[float]) -> list[float]:
    """Corrected p values in the order given (Holm 1979): p_(k) (m - k), never falling, at most 1."""
    order = np.argsort(p, kind="stable")
    steps = np.minimum(np.asarray(p)[order] * np.arange(len(p), 0, -1), 1.0)
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(steps)
    return corrected.tolist()


@dataclass(frozen=True)
class PairedTests:
    """What the test images of a group say.

    Attributes:
        best: label of the ranked row with the highest Last, if there is one.
        pairs: every pair of ranked rows that share a tested seed, the better one first.
        untested: the runs that were left out, each with the reason.
    """

    best: str | None
    pairs: tuple[Comparison, ...]
    untested: tuple[str, ...]

    @property
    def alike(self) -> frozenset[str]:
        """The rows whose Last cannot be told from the best one's, that one included; or none."""
        others = {c.b for c in self.pairs if c.a == self.best and not c.significant}
        return frozenset({self.best, *others}) if self.best and others else frozenset()


def compare_all(group: Group) -> PairedTests:
    """Test every pair of a group's ranked rows; a run without its predictions is left out."""
    rows = sorted(
        (row for row in group.ranked if row.mean("last") is not None),
        key=lambda row: -(row.mean("last") or 0.0),
    )
    hits, untested = _all_hits(rows)
    tested = []
    for a, b in combinations(rows, 2):
        shared = sorted(hits[a.label].keys() & hits[b.label].keys())
        if shared:
            pairs = [(hits[a.label][seed], hits[b.label][seed]) for seed in shared]
            only_a = sum(int((x & ~y).sum()) for x, y in pairs)
            only_b = sum(int((y & ~x).sum()) for x, y in pairs)
            tested.append((a, b, shared, only_a, only_b, mcnemar(only_a, only_b)))
    corrected = holm([p for *_, p in tested])
    comparisons = tuple(
        Comparison(
            a.label, b.label, len(shared), _differences(a, b, shared), only_a, only_b, p, adjusted
        )
        for (a, b, shared, only_a, only_b, p), adjusted in zip(tested, corrected, strict=True)
    )
    return PairedTests(rows[0].label if rows else None, comparisons, untested)


def _all_hits(rows: Sequence[Row]) -> tuple[dict[str, dict[int, Hits]], tuple[str, ...]]:
    """Per row and seed, what was classified right; and the runs of which that is not known."""
    found: dict[tuple[str, int], Hits] = {}
    untested = []
    for row in rows:
        for run in row.runs:
            try:
                found[row.label, run.config.seed] = _hits(run)
            except UserError as error:
                untested.append(f"{row.label}, seed {run.config.seed}: {error}")
    sizes = Counter(map(len, found.values()))
    usual = sizes.most_common(1)[0][0] if sizes else 0
    hits: dict[str, dict[int, Hits]] = {row.label: {} for row in rows}
    for (label, seed), right in found.items():
        if len(right) == usual:
            hits[label][seed] = right
        else:
            untested.append(
                f"{label}, seed {seed}: its predictions are of {len(right):,} test images, those of "
                f"other runs of {usual:,}"
            )
    return hits, tuple(untested)


def _hits(run: RunResult) -> Hits:
    """Which test images the finished model classifies right, all tasks one after another."""
    predicted, true = run.predictions(len(run.matrix.rows)), run.targets()
    try:
        return np.concatenate([predicted[task] == true[task] for task in run.matrix.tasks])
    except (KeyError, ValueError) as error:
        raise UserError(f"{run.path / 'predictions'} does not hold every task: {error}") from error


def _differences(a: Row, b: Row, seeds: Sequence[int]) -> tuple[float, ...]:
    last = [{r.config.seed: r.matrix.metrics()["last"] for r in row.runs} for row in (a, b)]
    return tuple(last[0][seed] - last[1][seed] for seed in seeds)
