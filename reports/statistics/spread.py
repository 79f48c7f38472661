"""How a metric spreads over seeds, and how many of its digits that supports."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log10
from statistics import fmean, stdev

from cl_bench.reports.runs.numbers import plain

FEWEST_SEEDS = 3  # below, the spread over seeds is unknown
COVERAGE = 0.95


@dataclass(frozen=True)
class Spread:
    """One metric of one row, seed by seed.

    Attributes:
        values: the metric in per cent or points, one for each seed.
    """

    values: tuple[float, ...]

    @property
    def mean(self) -> float | None:
        """The mean; ``None`` without values."""
        return fmean(self.values) if self.values else None

    @property
    def unchanged(self) -> bool:
        """Whether no seed changes it, as zero-shot: then there is nothing to be uncertain of."""
        return len(self.values) > 1 and len(set(self.values)) == 1

    @property
    def half(self) -> float | None:
        """Half of the mean's 95 % interval over seeds (Student's t).

        ``None`` below three seeds, where it is unknown, and where no seed changes the metric.
        """
        if len(self.values) < FEWEST_SEEDS or self.unchanged:
            return None
        from scipy.stats import t as student_t  # half a second that most commands can do without

        quantile = float(student_t.ppf((1 + COVERAGE) / 2, len(self.values) - 1))
        return float(quantile * stdev(self.values) / len(self.values) ** 0.5)

    def words(self) -> str:
        """The mean and what is known of its spread: ``86.1 ± 0.7``, ``86.1 (85.9-86.4)``, ``86.1``."""
        if self.mean is None:
            return "-"
        if self.half is not None:
            digits = decimals(self.half)
            return f"{plain(self.mean, digits)} ± {plain(self.half, digits)}"
        if len(self.values) > 1 and not self.unchanged:
            low, high = (plain(end) for end in (min(self.values), max(self.values)))
            return f"{plain(self.mean)} ({low} to {high})"
        return plain(self.mean)


def decimals(half: float) -> int:
    """Decimals of a number that is known to ± ``half``: one or two digits of ``half``, never ± 0."""
    if half >= 0.095:
        return 1 if half < 9.95 else 0
    return ceil(log10(0.95 / half)) if half > 0 else 2
