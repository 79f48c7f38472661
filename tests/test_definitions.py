"""docs/definitions.md: every formula in plain loops, equal to the code, and to the page's example."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.reports.runs.metrics import METRICS
from cl_bench.reports.tables.definitions import DEFINITIONS

PAGE = (Path(__file__).parents[1] / "docs" / "definitions.md").read_text(encoding="utf-8")
Rows = list[list[float]]


def tables() -> list[list[list[str]]]:
    """The cells of every table of the page, headers and rules left out."""
    found = re.findall(r"(?:^\|.*\n)+", PAGE, re.MULTILINE)
    return [
        [[c.strip() for c in line.strip("|").split("|")] for line in text.splitlines()[2:]]
        for text in found
    ]


FORMULAS, EXAMPLE, RESULTS = tables()
A: Rows = [[float(cell) for cell in row[1:]] for row in EXAMPLE]  # A[i][j - 1] = a(i, j)
T = len(A[0])
MATRIX = AccuracyMatrix(
    tuple(f"task {j}" for j in range(1, T + 1)), tuple(A[0]), tuple(map(tuple, A[1:]))
)


def a(i: int, j: int) -> float:
    return A[i][j - 1]


def by_loops() -> dict[str, dict[int, float]]:
    """Metric -> task, from 1 -> value, as the page's formulas say."""
    found: dict[str, dict[int, float]] = {name: {} for name in MATRIX.metrics()}
    for j in range(1, T + 1):
        found["zero_shot"][j] = a(0, j)
        found["last"][j] = a(T, j)
        found["learned"][j] = a(j, j)
        total = 0.0
        for i in range(1, T + 1):
            total += a(i, j)
        found["average"][j] = total / T
        if j >= 2:
            before = 0.0
            for i in range(1, j):
                before += a(i, j)
            found["transfer"][j] = before / (j - 1)
            found["zero_shot_transfer"][j] = a(0, j)
            found["forward_transfer"][j] = a(j - 1, j) - a(0, j)
        if j < T:
            best = a(j, j)
            for i in range(j, T):
                if a(i, j) > best:
                    best = a(i, j)
            found["forgetting"][j] = best - a(T, j)
            found["backward_transfer"][j] = a(T, j) - a(j, j)
    return found


BY_LOOPS = by_loops()


@pytest.mark.parametrize("name", MATRIX.metrics())
def test_a_formula_its_code_and_the_example(name: str) -> None:
    per_task = BY_LOOPS[name]
    expected = sum(per_task.values()) / len(per_task)
    assert MATRIX.metrics()[name] == pytest.approx(expected, abs=1e-12)
    if hasattr(MATRIX, f"{name}_per_task"):
        assert getattr(MATRIX, f"{name}_per_task") == pytest.approx(tuple(per_task.values()))
    (row,) = [row for row in RESULTS if row[0] == f"`{name}`"]
    shown = [per_task.get(j, "-") for j in range(1, T + 1)]
    for cell, value in zip(row[1].split(", "), shown, strict=True):
        assert cell == value if value == "-" else abs(float(cell) - float(value)) <= 0.0051
    assert float(row[2]) == pytest.approx(expected, abs=0.0051)


def test_what_else_has_the_name_is_another_number() -> None:
    entries = {
        "all entries above the diagonal": [a(i, j) for j in range(2, T + 1) for i in range(1, j)],
        "average incremental accuracy": [
            sum(a(i, j) for j in range(1, i + 1)) / i for i in range(1, T + 1)
        ],
        "forgetting, with the maximum from row 1 on": [
            max(a(i, j) for i in range(1, T)) - a(T, j) for j in range(1, T)
        ],
        "BWT over all pairs": [a(i, j) - a(j, j) for j in range(1, T) for i in range(j + 1, T + 1)],
    }
    others = {row[0]: float(row[2]) for row in RESULTS if not row[0].startswith("`")}
    assert others == pytest.approx({k: sum(v) / len(v) for k, v in entries.items()}, abs=0.0051)
    namesakes = ("transfer", "average", "forgetting", "backward_transfer")
    for value, name in zip(others.values(), namesakes, strict=True):
        assert abs(value - MATRIX.metrics()[name]) > 1


def test_the_page_the_code_and_the_tables_have_one_name_for_each() -> None:
    assert [row[1].strip("`") for row in FORMULAS] == [
        "zero_shot", "zero_shot_transfer", *(m for m in METRICS if m != "zero_shot"),
    ]  # fmt: skip
    assert {row[1].strip("`") for row in FORMULAS} == MATRIX.metrics().keys()
    named = {row[1].strip("`"): row[0] for row in FORMULAS}
    assert {m: named[m] for m in METRICS} == METRICS
    for title in METRICS.values():
        assert {title, f"{title} ↓"} & DEFINITIONS.keys() or title == "Zero-shot"


def test_a_method_that_leaves_zero_shot_alone_transfers_nothing_forward() -> None:
    frozen = AccuracyMatrix(MATRIX.tasks, MATRIX.zero_shot, (MATRIX.zero_shot,) * T)
    assert frozen.metrics()["forward_transfer"] == 0.0
