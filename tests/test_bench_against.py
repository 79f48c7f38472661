"""What the bench calls slower than before: beyond the noise, and on one machine."""

from __future__ import annotations

from typing import Any

import pytest
from bench.against import compare, is_worse
from bench.figures import Figure
from bench.kept import Bench, Part


@pytest.mark.parametrize(
    ("unit", "wanted", "before", "now", "worse"),
    [
        ("s", "", (1.0, 0.9, 1.1), (1.3, 1.2, 1.4), True),  # spreads apart
        ("s", "", (1.0, 0.9, 1.1), (1.3, 1.05, 1.4), False),  # spreads touch
        ("s", "", (1.0, 0.9, 1.1), (0.5, 0.4, 0.6), False),  # faster
        ("s", "", (1.0, 1.0, 1.0), (1.08, 1.08, 1.08), False),  # 5 % to either side at least
        ("s", "", (1.0, 1.0, 1.0), (1.2, 1.2, 1.2), True),
        ("s", "", (1.0, None, None), (1.3, None, None), False),  # measured once: 15 %
        ("s", "", (1.0, None, None), (1.4, None, None), True),
        ("x", "", (4.0, 3.9, 4.1), (3.0, 2.9, 3.1), True),  # of a ratio, more is better
        ("x", "", (3.0, 2.9, 3.1), (4.0, 3.9, 4.1), False),
        ("x", "<= 2.3", (2.0, 1.9, 2.1), (3.0, 2.9, 3.1), True),  # unless less is wanted
        ("%", ">= 85", (95.0, 94.0, 96.0), (80.0, 79.0, 81.0), True),
        ("GiB", "", (1.0, None, None), (2.0, None, None), True),
        ("images/s", "", (100.0, 99.0, 101.0), (50.0, 49.0, 51.0), True),
        ("waits", "", (0.0, None, None), (1.0, None, None), True),  # counts have no noise
        ("waits", "", (20.0, None, None), (21.0, None, None), True),
        ("waits", "", (1.0, None, None), (1.0, None, None), False),
    ],
)
def test_what_is_beyond_the_noise(
    unit: str,
    wanted: str,
    before: tuple[float, Any, Any],
    now: tuple[float, Any, Any],
    worse: bool,
) -> None:
    old, new = (Figure("a", value, unit, low, high, wanted) for value, low, high in (before, now))
    assert is_worse(new, old) is worse
    found = compare(content(new), content(old))
    assert bool(found.worse) is worse
    assert any(line.startswith("worse: a") for line in found.lines) is worse


def content(*figures: Figure, size: Any = "full", **machine: Any) -> dict[str, Any]:
    """A bench's content, of a machine that may differ."""
    made = Bench(size, [Part("script", figures, 1.0)]).content()
    return {**made, "machine": {**made["machine"], **machine}}


def test_missing_and_new_figures_are_named() -> None:
    same, gone, fresh = (Figure(name, 1, "s") for name in ("same", "gone", "fresh"))
    found = compare(content(same, fresh), content(same, gone))
    assert not found.worse
    assert "missing: script, gone: 1 s" in found.lines
    assert "new: fresh: 1 s" in found.lines
    assert "within the noise: 1 figures" in found.lines


@pytest.mark.parametrize(
    "other",
    [{"cpu": "another"}, {"cores": 999}, {"memory_gib": 7}, {"gpu": "some"}, {"threads": 99}],
)
def test_of_another_machine_ratios_alone_are_compared(other: dict[str, Any]) -> None:
    before = [Figure("slow", 1, "s"), Figure("large", 1, "GiB"), Figure("ratio", 9, "x")]
    now = [Figure("slow", 9, "s"), Figure("large", 9, "GiB"), Figure("ratio", 1, "x")]
    found = compare(content(*now, **other), content(*before))
    assert found.worse == ("ratio",)
    assert found.lines[0].startswith("another machine") and next(iter(other)) in found.lines[0]
    assert {"not compared: slow (s)", "not compared: large (GiB)"} < set(found.lines)
    assert set(compare(content(*now), content(*before)).worse) == {"slow", "large", "ratio"}


def test_other_units_and_versions_are_never_compared_in_silence() -> None:
    found = compare(content(Figure("a", 900, "ms")), content(Figure("a", 1, "s")))
    assert not found.worse and "not compared: a (ms)" in found.lines
    older = content(Figure("a", 1, "s"))
    older["versions"] = {**older["versions"], "torch": "1.0"}
    (line,) = [x for x in compare(content(Figure("a", 1, "s")), older).lines if "versions" in x]
    assert "torch 1.0 ->" in line
