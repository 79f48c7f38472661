"""Numbers and choices in words: durations, sizes, and options as one would type them."""

from __future__ import annotations

import re
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.reports.plots.pareto import Point, front
from cl_bench.reports.runs.command import option_words
from cl_bench.reports.terminal.show import duration, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"), (12.34, "12.3 s"), (60, "1 min 00 s"), (245.4, "4 min 05 s"), (119.6, "2 min 00 s"),
        (3_599.4, "59 min 59 s"), (3_600, "1 h 00 min"), (11_220, "3 h 07 min"),
        (100_000, "27 h 46 min"),
    ],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.floats(0, 10**7))
def test_a_duration_says_the_seconds_to_its_last_digit(seconds: float) -> None:
    numbers = [float(n) for n in re.findall(r"[\d.]+", duration(seconds))]
    units = re.findall(r"h|min|s", duration(seconds))
    worth = {"h": 3600, "min": 60, "s": 1}
    said = sum(n * worth[unit] for n, unit in zip(numbers, units, strict=True))
    assert abs(said - seconds) <= {"s": 0.5, "min": 60}[units[-1]]
    assert units in (["s"], ["min", "s"], ["h", "min"])


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (120_000, "117.2 KiB"), (2**21, "2.0 MiB"),
     (2**31, "2.0 GiB"), (2**41, "2048.0 GiB"), (-2048, "-2.0 KiB")],
)  # fmt: skip
def test_sizes(count: float, words: str) -> None:
    assert size(count) == words


def test_options_as_one_would_type_them() -> None:
    words = option_words(
        {"suite": "mini", "seed": 0, "skip_broken": True, "partial_data": False, "shots": None,
         "set": ("lr=1e-3", "rank=4"), "data_root": "/my data"}
    )  # fmt: skip
    assert words == [
        "--suite", "mini", "--seed", "0", "--skip-broken", "--set", "lr=1e-3", "--set", "rank=4",
        "--data-root", "/my data",
    ]  # fmt: skip


@given(
    st.dictionaries(st.sampled_from(["a", "b_c", "set"]), st.text(max_size=8) | st.integers(0, 9))
)
def test_a_shell_gives_back_what_was_quoted(values: dict[str, object]) -> None:
    words = option_words(values)
    assert shlex.split(shlex.join(words)) == words
    assert words[1::2] == [str(value) for value in values.values()]


POINTS = st.lists(
    st.builds(Point, st.just("m"), st.integers(1, 9).map(float), st.integers(0, 9).map(float)),
    min_size=1, max_size=12,
)  # fmt: skip


@given(POINTS)
def test_no_point_of_the_front_is_beaten_and_every_other_is(points: list[Point]) -> None:
    best = front(points)
    costs = [p.cost for p in best]
    assert costs == sorted(costs) and best

    def beats(p: Point, q: Point) -> bool:
        return (
            p.cost <= q.cost
            and p.average >= q.average
            and (p.cost, p.average) != (q.cost, q.average)
        )

    assert not any(beats(p, q) for p in points for q in best)
    for other in points:
        same = [(p.cost, p.average) == (other.cost, other.average) for p in best]
        assert any(same) or any(beats(p, other) for p in best)
