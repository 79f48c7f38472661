"""Numbers in reports: rounded in one place, no zero with a sign, no interval of ± 0."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.reports.runs import numbers
from cl_bench.reports.statistics.spread import decimals

REPORTS = Path(numbers.__file__).parents[1]


@given(st.floats(-1e6, 1e6), st.integers(0, 4))
def test_no_zero_has_a_sign(value: float, digits: int) -> None:
    for text in (
        numbers.plain(value, digits),
        numbers.signed(value, digits),
        numbers.grouped(value, digits),
    ):
        assert not re.fullmatch(r"[-+][0.]+", text)
        assert abs(float(text.replace(",", "")) - value) <= 0.5000001 * 10**-digits


@pytest.mark.parametrize(
    ("ratio", "words"), [(0.017, "0.017"), (0.71, "0.71"), (1, "1.0"), (2.72, "2.7"), (9.96, "10"),
                         (1234.0, "1,234")],
)  # fmt: skip
def test_ratios(ratio: float, words: str) -> None:
    assert numbers.times(ratio) == words


def test_no_other_file_rounds_a_number_into_words() -> None:
    """`f"{x:.1f}"` writes -0.0; whoever needs a number calls this module."""
    form = re.compile(r":[+,]*\.(?:\d|\{\w+\})[feg]\}")
    found = [
        f"{path.relative_to(REPORTS)}: {line.strip()}"
        for path in REPORTS.rglob("*.py")
        if path.name != "numbers.py"
        for line in path.read_text().splitlines()
        if form.search(line) and "PATIENCE" not in line
    ]
    assert found == []


@given(st.floats(1e-9, 99))
def test_no_interval_reads_as_certainty(half: float) -> None:
    assert float(numbers.plain(half, decimals(half))) > 0
