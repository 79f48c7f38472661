"""The figures of an accuracy matrix, against published ones and by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cl_bench.benchmark.matrix import AccuracyMatrix

PUBLISHED = json.loads(
    (Path(__file__).parent / "goldens" / "zscl_reported_matrices.json").read_text()
)


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_matrices(name: str) -> None:
    """Thirteen matrices of the ZSCL authors, whose figures they rounded to two decimals."""
    given = PUBLISHED[name]
    rows = tuple(tuple(row) for row in given["matrix_rows_after_task"])
    matrix = AccuracyMatrix(tuple(given["datasets"]), rows[0], rows)
    figures = matrix.metrics()
    for ours, theirs in (("transfer", "transfer"), ("average", "avg"), ("last", "last")):
        assert figures[ours] == pytest.approx(given[theirs], abs=0.01)
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
    expected = {
        "zero_shot": 20.0,
        "zero_shot_transfer": 25.0,
        "transfer": 27.5,
        "average": (230 / 3 + 145 / 3 + 145 / 3) / 3,
        "last": 65.0,
        "learned": 235 / 3,
        "forgetting": 25.0,
        "backward_transfer": -20.0,
    }
    assert HAND.metrics() == pytest.approx(expected)


def test_one_task_has_nothing_to_transfer_or_forget() -> None:
    figures = AccuracyMatrix(("a",), (50.0,), ((90.0,),)).metrics()
    assert figures == {"zero_shot": 50.0, "average": 90.0, "last": 90.0, "learned": 90.0}


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
