"""How a metric spreads over seeds, and levels for many tests at once."""

from __future__ import annotations

from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.reports.statistics.holm import LEVEL, levels
from cl_bench.reports.statistics.spread import Spread, decimals

VALUES = st.lists(st.floats(0, 100), min_size=1, max_size=8).map(tuple)
P_VALUES = st.lists(st.floats(0, 1), max_size=12)


@given(VALUES, st.floats(-50, 50))
def test_a_shift_of_all_seeds_moves_the_mean_and_not_the_interval(
    values: tuple[float, ...], shift: float
) -> None:
    spread = Spread(values)
    moved = Spread(tuple(v + shift for v in values))
    assert moved.mean == pytest.approx((spread.mean or 0) + shift, abs=1e-9)
    if spread.half is not None and moved.half is not None:
        assert moved.half == pytest.approx(spread.half, abs=1e-6)


@given(VALUES, st.randoms(use_true_random=False))
def test_the_order_of_seeds_does_not_count(values: tuple[float, ...], random: object) -> None:
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert Spread(tuple(shuffled)).words() == Spread(values).words()


@pytest.mark.parametrize(
    ("count", "quantile"), [(3, 4.302653), (4, 3.182446), (5, 2.776445), (11, 2.228139)]
)
def test_the_interval_is_students(count: int, quantile: float) -> None:
    """Quantiles of Student's t at 97.5 % with n - 1 degrees of freedom, from a printed table."""
    values = tuple(80 + 0.3 * i * (-1) ** i for i in range(count))
    half = Spread(values).half
    assert half == pytest.approx(quantile * stdev(values) / count**0.5, rel=1e-6)


def test_few_seeds_have_a_range_and_no_interval() -> None:
    assert Spread(()).mean is None and Spread(()).words() == "-"
    assert Spread((80.0,)).half is None and Spread((80.0,)).words() == "80.0"
    assert (
        Spread((80.0, 82.0)).half is None and Spread((80.0, 82.0)).words() == "81.0 (80.0 to 82.0)"
    )
    assert Spread((80.0, 80.0, 80.0)).unchanged and Spread((80.0, 80.0, 80.0)).half is None
    assert not Spread((80.0,)).unchanged, "one seed cannot tell"


@pytest.mark.parametrize(
    ("half", "shown"), [(0.04, 2), (0.094, 2), (0.096, 1), (1.26, 1), (9.94, 1), (9.96, 0), (30, 0)]
)
def test_no_more_digits_than_are_known(half: float, shown: int) -> None:
    assert decimals(half) == shown
    assert 0 < len(f"{half:.{shown}f}".replace(".", "").lstrip("0")) <= 2


def test_a_mean_that_rounds_to_zero_has_no_sign() -> None:
    assert Spread((-0.01, 0.0)).words() == "0.0 (0.0 to 0.0)"


def stepwise(p: list[float]) -> set[int]:
    """Holm's procedure as its paper describes it: reject one after the other until one fails."""
    rejected: set[int] = set()
    for place, i in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        if p[i] > LEVEL / (len(p) - place):
            break
        rejected.add(i)
    return rejected


@given(P_VALUES)
def test_levels_reject_what_holms_procedure_rejects(p: list[float]) -> None:
    found = {i for i, level in enumerate(levels(p)) if p[i] <= level}
    assert found == stepwise(p)


@given(P_VALUES)
def test_it_lies_between_bonferroni_and_no_correction(p: list[float]) -> None:
    for level in levels(p):
        assert LEVEL / len(p) - 1e-15 <= level <= LEVEL


@given(P_VALUES.filter(bool), st.data())
def test_a_smaller_p_value_never_loses_a_verdict(p: list[float], data: st.DataObject) -> None:
    i = data.draw(st.integers(0, len(p) - 1))
    smaller = [*p[:i], p[i] / 2, *p[i + 1 :]]
    assert stepwise(p) <= {j for j, level in enumerate(levels(smaller)) if smaller[j] <= level}


def test_one_pair_is_tested_at_the_level_itself() -> None:
    assert levels([0.9]) == [LEVEL] and levels([]) == []
    assert fmean(levels([0.001, 0.9])) == pytest.approx((LEVEL / 2 + LEVEL) / 2)
