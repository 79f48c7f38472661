"""What another order of the tasks, and another seed, would do to a method and to its difference from another.

An order's value is the mean over its seeds. Orders are a sample; all methods learn in the same ones, so the
difference of two methods is taken order by order (a paired t test over the orders that both have, Holm over
all pairs). Whether the order matters to one method is asked of the variance between orders against that
between seeds within an order (one-way analysis of variance). The test images are the same throughout.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean, stdev, variance

from cl_bench.reports.runs.row import Row
from cl_bench.reports.runs.studies import FEWEST_ORDERS, OrderStudy
from cl_bench.reports.statistics.difference import Estimate
from cl_bench.reports.statistics.holm import LEVEL, levels
from cl_bench.reports.statistics.spread import Spread

SMALLEST = 1e-9  # points; the error of differences that are all the same


@dataclass(frozen=True)
class OverOrders:
    """One metric of one method.

    Attributes:
        values: by order, one for every seed; orders without the metric are left out.
    """

    values: Mapping[str, tuple[float, ...]]

    @classmethod
    def of(cls, rows: Mapping[str, Row], metric: str) -> OverOrders:
        """The metric of a method's rows by order."""
        return cls({order: v for order, row in rows.items() if (v := row.values(metric))})

    @property
    def means(self) -> dict[str, float]:
        """By order, the mean over seeds."""
        return {order: fmean(values) for order, values in self.values.items()}

    @property
    def spread(self) -> Spread:
        """Over orders."""
        return Spread(tuple(self.means.values()))

    @property
    def between_orders(self) -> float | None:
        """Standard deviation of the orders' means; ``None`` below two orders."""
        return stdev(self.means.values()) if len(self.values) > 1 else None

    @property
    def between_seeds(self) -> float | None:
        """Standard deviation over seeds within an order; ``None`` where no order has two seeds."""
        several = [v for v in self.values.values() if len(v) > 1]
        if not several:
            return None
        squares = sum(variance(v) * (len(v) - 1) for v in several)
        return float((squares / sum(len(v) - 1 for v in several)) ** 0.5)

    @property
    def p_order(self) -> float | None:
        """Of no effect of the order; ``None`` where an order has one seed alone."""
        each = list(self.values.values())
        if len(each) < 2 or min(map(len, each)) < 2:
            return None
        if not self.between_seeds:
            return 1.0 if not self.between_orders else 0.0
        from scipy.stats import f_oneway

        return float(f_oneway(*each).pvalue)


@dataclass(frozen=True)
class OrderPair:
    """Two methods over the orders that both have.

    Attributes:
        a: label of the one that is higher in these orders.
        b: label of the other.
        orders: how many they share.
        difference: a minus b; ``None`` below ``FEWEST_ORDERS``.
        level: at which it was tested.
    """

    a: str
    b: str
    orders: int
    difference: Estimate | None
    level: float

    @property
    def verdict(self) -> str:
        """What may be said of other orders; it is drawn from the number that gives ``interval``."""
        if self.difference is None:
            return "unknown: too few orders in common"
        return "higher" if self.difference.p <= self.level else "cannot be told apart"

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the difference, at the level of the test."""
        return None if self.difference is None else self.difference.interval(self.level)


def order_matters(of: OverOrders) -> str:
    """Whether other orders move the metric further than other seeds do, in words."""
    if of.p_order is None:
        return "unknown: one seed"
    return "yes" if of.p_order <= LEVEL else "cannot be told"


def order_pairs(study: OrderStudy, metric: str) -> tuple[OrderPair, ...]:
    """Every pair of methods in one metric, as one family of tests."""
    means = {label: OverOrders.of(rows, metric).means for label, rows in study.rows.items()}
    found = [_pair(a, b, means) for a, b in combinations(means, 2)]
    judged = iter(levels([p.difference.p for p in found if p.difference is not None]))
    return tuple(p if p.difference is None else replace(p, level=next(judged)) for p in found)


def _pair(a: str, b: str, means: Mapping[str, Mapping[str, float]]) -> OrderPair:
    shared = [order for order in means[a] if order in means[b]]
    d = [means[a][order] - means[b][order] for order in shared]
    if d and fmean(d) < 0:
        a, b, d = b, a, [-x for x in d]
    if len(d) < FEWEST_ORDERS:
        return OrderPair(a, b, len(d), None, LEVEL)
    error = max(stdev(d) / len(d) ** 0.5, SMALLEST)
    return OrderPair(a, b, len(d), Estimate(fmean(d), error, len(d) - 1), LEVEL)


def ranks(study: OrderStudy, metric: str) -> dict[str, dict[str, int]]:
    """By method, its place in every order, 1 for the highest; of methods that have all orders."""
    means = {label: OverOrders.of(rows, metric).means for label, rows in study.rows.items()}
    whole = [label for label in means if set(means[label]) == set(study.groups)]
    return {
        label: {
            order: 1 + sum(means[other][order] > means[label][order] for other in whole)
            for order in study.groups
        }
        for label in whole
    }


def by_mean(study: OrderStudy, metric: str) -> Sequence[str]:
    """The methods, that with the highest mean over orders first."""
    mean = {label: OverOrders.of(rows, metric).spread.mean for label, rows in study.rows.items()}
    return sorted(mean, key=lambda label: (-(mean[label] or 0.0), label))
