"""The difference of two rows in one metric, and how far images and seeds could move it.

Let d_jn be the mean outcome over a's seeds minus that over b's, on image n of task j (n_j images). A
metric weighs every task alike, so the difference is D = 1/J sum_j mean_n d_jn. Test images are a
sample, drawn within every task; so are seeds, drawn for each row:

    Var(D) = 1/J^2 sum_j s_j^2 / n_j  +  (s_a^2 / k_a - f_a)  +  (s_b^2 / k_b - f_b)

with s_j^2 the variance of d_jn over images, s_a^2 the variance of a's metric over its k_a seeds, and f_a
the part of s_a^2 / k_a that single images cause which change from seed to seed: the first term holds it
already. This is the variance of a crossed bootstrap of images and seeds (Owen 2007, "The pigeonhole
bootstrap", arXiv 0712.1111) without what that counts thrice; no draws are needed, since D is a mean.
Three seeds are too few to be resampled, so quantiles are Student's with the degrees of freedom of Welch
and Satterthwaite (1946), which count s_a^2 and s_b^2 in full. Few images on which two models differ look
more certain than they are: every metric counts one more image that only a and one that only b
classifies right, half each (after Agresti and Min 2005, matched pairs), and up to ``EXACT`` images are
tested by all their sign flips.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from statistics import variance

import numpy as np
from numpy.typing import NDArray

from cl_bench.reports.statistics.outcomes import Outcomes
from cl_bench.reports.statistics.spread import FEWEST_SEEDS, Spread

EXACT = 12  # images that two rows differ on: 4,096 sign flips


@dataclass(frozen=True)
class Estimate:
    """A difference with its standard error.

    Attributes:
        points: the difference in points.
        error: its standard error in points.
        freedom: degrees of freedom of the error.
    """

    points: float
    error: float
    freedom: float

    @property
    def p(self) -> float:
        """Two-sided p value of no difference (Student's t)."""
        if self.points == 0.0:
            return 1.0
        from scipy.stats import t as student_t

        return float(2 * student_t.sf(abs(self.points) / self.error, self.freedom))

    def interval(self, level: float) -> tuple[float, float]:
        """All differences that a test at ``level`` would not reject: it holds 0 where p > level."""
        from scipy.stats import t as student_t

        half = float(student_t.isf(level / 2, self.freedom)) * self.error
        return max(self.points - half, -100.0), min(self.points + half, 100.0)


@dataclass(frozen=True)
class Difference:
    """Row a minus row b in one metric, over all its tasks or on one.

    Attributes:
        images: with the error from the test images alone: other images, these trained models.
        both: with the error from images and seeds; ``None`` where a row has fewer than three seeds.
        a: the metric of a, seed by seed.
        b: the metric of b.
    """

    images: Estimate
    both: Estimate | None
    a: Spread
    b: Spread

    @property
    def points(self) -> float:
        """The difference in points."""
        return self.images.points

    @property
    def known(self) -> Estimate:
        """The estimate with everything that is known."""
        return self.both or self.images


def difference(a: Outcomes, b: Outcomes, task: int | None = None) -> Difference:
    """Row a minus row b.

    Args:
        a: of one row.
        b: of another, in the same metric on the same test images.
        task: index of the one task to look at; all of them without.
    """
    chosen = range(len(a.tasks)) if task is None else [task]
    d = [100 * (a.images[j] - b.images[j]) for j in chosen]
    images = _from_images(d)
    of_a, of_b = (Spread(tuple(r.seeds[:, list(chosen)].mean(axis=1).tolist())) for r in (a, b))
    of_seeds = [
        _Seeds(row.trained, of, float(row.flips[list(chosen)].sum()) / len(chosen) ** 2)
        for row, of in ((a, of_a), (b, of_b))
    ]
    return Difference(images, _with_seeds(images, of_seeds), of_a, of_b)


def _from_images(d: list[NDArray[np.float64]]) -> Estimate:
    """The error from test images, drawn anew within every task; ``d`` in points, one [n] a task."""
    J = len(d)
    points = float(np.mean([of_task.mean() for of_task in d]))
    terms = [(_sum_of_squares(of_task) + 100.0**2 / J) / len(of_task) ** 2 for of_task in d]
    error = sum(terms) ** 0.5 / J
    freedom = float(max(sum(len(of_task) - 1 for of_task in d), 1))
    differing = sum(int(np.count_nonzero(of_task)) for of_task in d)
    if points != 0.0 and differing <= EXACT:
        from scipy.stats import t as student_t

        quantile = float(
            student_t.isf(_sign_flips(d) / 2, freedom)
        )  # 0 where every flip is as large
        error = max(error, abs(points) / max(quantile, 1e-9))
    return Estimate(points, error, freedom)


def _sum_of_squares(d: NDArray[np.float64]) -> float:
    """Squared deviations from the mean, scaled for an unbiased variance."""
    n = len(d)
    return float(((d - d.mean()) ** 2).sum()) * n / max(n - 1, 1)


def _sign_flips(d: list[NDArray[np.float64]]) -> float:
    """The exact p value: how many ways to swap a and b, image by image, give as large a difference."""
    parts = np.concatenate([of_task[of_task != 0.0] / len(of_task) for of_task in d])
    signs = np.array(list(product((-1.0, 1.0), repeat=len(parts))))
    observed = abs(parts.sum())
    return float(np.mean(np.abs(signs @ parts) >= observed * (1 - 1e-12)))


@dataclass(frozen=True)
class _Seeds:
    """What seeds do to one row: whether they can do anything, its metric for each, and f above."""

    trained: bool
    spread: Spread
    flips: float


def _with_seeds(images: Estimate, rows: Sequence[_Seeds]) -> Estimate | None:
    """Add the error from seeds, where both rows tell it."""
    total = images.error**2
    uncertain = total**2 / images.freedom
    for row in rows:
        if row.trained and len(row.spread.values) < FEWEST_SEEDS:
            return None
        if row.trained:
            k = len(row.spread.values)
            of_mean = variance(row.spread.values) / k
            total += max(of_mean - row.flips, 0.0)
            uncertain += of_mean**2 / (k - 1)
    return Estimate(images.points, total**0.5, total**2 / uncertain)
