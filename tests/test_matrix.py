"""The metrics of an accuracy matrix, against published ones and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.benchmark.matrix import AccuracyMatrix, accuracy

PUBLISHED = json.loads(
    (Path(__file__).parent / "goldens" / "zscl_reported_matrices.json").read_text()
)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_matrices(name: str) -> None:
    """Thirteen matrices of the ZSCL authors, whose metrics they rounded to two decimals."""
    given = PUBLISHED[name]
    rows = tuple(tuple(row) for row in given["matrix_rows_after_task"])
    matrix = AccuracyMatrix(tuple(given["datasets"]), rows[0], rows)
    metrics = matrix.metrics()
    for ours, theirs in (("transfer", "transfer"), ("average", "avg"), ("last", "last")):
        assert metrics[ours] == pytest.approx(given[theirs], abs=0.01)
        per_task = getattr(matrix, f"{ours}_per_task")
        assert per_task == pytest.approx(given[f"{theirs}_per"], abs=0.01)


HAND = AccuracyMatrix(
    tasks=("a", "b", "c"),
    zero_shot=(10.0, 20.0, 30.0),
    rows=((80.0, 25.0, 40.0), (90.0, 70.0, 20.0), (60.0, 50.0, 85.0)),
)


def test_by_hand() -> None:
    assert HAND.complete
    assert HAND.transfer_per_task == (25.0, 30.0)  # b before b; c over the two rows before c
    assert HAND.forgetting_per_task == (30.0, 20.0)  # 90 -> 60, 70 -> 50
    assert HAND.learned_per_task == (80.0, 70.0, 85.0)
    assert HAND.backward_transfer_per_task == (-20.0, -20.0)  # 80 -> 60, 70 -> 50
    assert HAND.forward_transfer_per_task == (5.0, -10.0)  # b: 20 -> 25; c: 30 -> 20
    expected = {
        "zero_shot": 20.0,
        "zero_shot_transfer": 25.0,
        "transfer": 27.5,
        "average": (230 / 3 + 145 / 3 + 145 / 3) / 3,
        "last": 65.0,
        "learned": 235 / 3,
        "forgetting": 25.0,
        "backward_transfer": -20.0,
        "forward_transfer": -2.5,
    }
    assert HAND.metrics() == pytest.approx(expected)


def test_accuracy_before_a_task_is_learned_cannot_be_forgotten() -> None:
    """Task b: 95 by transfer, 70 once learned, 65 in the end. 5 points were forgotten, not 30."""
    rows = ((80.0, 95.0, 10.0), (80.0, 70.0, 10.0), (80.0, 65.0, 90.0))
    matrix = AccuracyMatrix(HAND.tasks, HAND.zero_shot, rows)
    assert matrix.forgetting_per_task == (0.0, 5.0)
    assert matrix.so_far()["forgetting"] == matrix.metrics()["forgetting"] == 2.5


def test_one_task_has_nothing_to_transfer_or_forget() -> None:
    metrics = AccuracyMatrix(("a",), (50.0,), ((90.0,),)).metrics()
    assert metrics == {"zero_shot": 50.0, "average": 90.0, "last": 90.0, "learned": 90.0}


def test_incomplete_matrix_has_the_zero_shot_mean_alone() -> None:
    matrix = AccuracyMatrix(HAND.tasks, HAND.zero_shot, HAND.rows[:2])
    assert not matrix.complete and matrix.metrics() == {"zero_shot": 20.0}


@pytest.mark.parametrize(
    ("zero_shot", "rows"),
    [
        ((1.0,), ()),
        ((1.0, 2.0), ((1.0, 2.0, 3.0),)),
        ((1.0, 101.0), ()),
        ((1.0, float("nan")), ()),
        ((1.0, 2.0), ((1.0, 2.0),) * 3),
    ],
)
def test_what_does_not_fit_is_refused(
    zero_shot: tuple[float, ...], rows: tuple[tuple[float, ...], ...]
) -> None:
    with pytest.raises(ValueError, match=r"row|rows"):
        AccuracyMatrix(("a", "b"), zero_shot, rows)


def test_after_two_of_three_tasks_by_hand() -> None:
    two = HAND.after(2)
    assert two == AccuracyMatrix(HAND.tasks, HAND.zero_shot, HAND.rows[:2])
    assert two.forgetting_per_task == (-10.0,), "80 -> 90: more than nothing was gained"
    assert two.backward_transfer_per_task == (10.0,)
    assert two.forward_transfer_per_task == (5.0, -10.0), "c is the next one"
    assert HAND.after(0).forward_transfer_per_task == ()
    assert two.so_far() == pytest.approx(
        {"average": (85 + 47.5 + 30) / 3, "last": 80.0, "learned": 75.0, "transfer": 27.5,
         "forgetting": -10.0}
    )  # fmt: skip
    assert HAND.after(0).so_far() == {}


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ([True], 100.0),
        ([False], 0.0),
        ([True, False, False], 100 / 3),
        ([True] * 2 + [False] * 6, 25),
    ],
)
def test_accuracy_is_in_per_cent(right: list[bool], expected: float) -> None:
    assert accuracy(np.array(right)) == pytest.approx(expected, abs=1e-12)


@st.composite
def matrices(draw: st.DrawFn) -> AccuracyMatrix:
    """Complete matrices over two to six tasks."""
    count = draw(st.integers(2, 6))
    cell = st.floats(0, 100, allow_nan=False)
    rows = st.lists(cell, min_size=count, max_size=count).map(tuple)
    drawn = draw(st.lists(rows, min_size=count + 1, max_size=count + 1))
    return AccuracyMatrix(tuple(f"t{i}" for i in range(count)), drawn[0], tuple(drawn[1:]))


@given(matrices())
def test_every_metric_stays_in_its_bounds(matrix: AccuracyMatrix) -> None:
    metrics = matrix.metrics()
    for name in ("zero_shot", "zero_shot_transfer", "transfer", "average", "last", "learned"):
        assert 0 <= metrics[name] <= 100 + 1e-9
    assert -100 <= metrics["backward_transfer"] <= 100
    # The best so far is at least what was learned first, so forgetting is at least -BWT.
    assert metrics["forgetting"] >= -metrics["backward_transfer"] - 1e-9
    per_task = zip(matrix.forgetting_per_task, matrix.backward_transfer_per_task, strict=True)
    assert all(forgotten >= -backward - 1e-9 for forgotten, backward in per_task)


@given(matrices())
def test_figures_so_far_are_those_of_the_finished_run_at_its_end(matrix: AccuracyMatrix) -> None:
    metrics = matrix.metrics()
    assert matrix.so_far() == {name: metrics[name] for name in matrix.so_far()}


@given(matrices(), st.randoms())
def test_the_last_row_counts_no_order(matrix: AccuracyMatrix, random: object) -> None:
    """Other names, and another order of the last row's cells: Last stays, being their mean."""
    order = list(range(len(matrix.tasks)))
    random.shuffle(order)  # type: ignore[attr-defined]
    last = tuple(matrix.rows[-1][j] for j in order)
    changed = AccuracyMatrix(matrix.tasks, matrix.zero_shot, (*matrix.rows[:-1], last))
    assert changed.metrics()["last"] == pytest.approx(matrix.metrics()["last"])
    for name in ("transfer", "zero_shot", "zero_shot_transfer"):  # nothing is left to transfer to
        assert changed.metrics()[name] == matrix.metrics()[name]


@given(st.integers(2, 6), st.floats(0, 100))
def test_a_method_that_changes_nothing_transfers_everything(count: int, value: float) -> None:
    row = tuple(value for _ in range(count))
    metrics = AccuracyMatrix(tuple(map(str, range(count))), row, (row,) * count).metrics()
    assert metrics["transfer"] == pytest.approx(metrics["zero_shot_transfer"])
    assert metrics["forgetting"] == metrics["backward_transfer"] == 0
    assert metrics["average"] == pytest.approx(metrics["last"])
