"""Metrics of any matrix, in memory and in files: equal to plain loops, within its entries."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from any_matrix import NAMES, by_loops, matrices
from fuzzing import cases
from hypothesis import example, given
from hypothesis import strategies as st

from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.records.arrays_file import read_arrays, write_arrays
from cl_bench.benchmark.records.matrix_file import read_matrix, write_matrix


@cases(300)
@given(matrices())
def test_metrics_at_any_moment_equal_plain_loops(a: AccuracyMatrix) -> None:
    expected = by_loops(a)
    for found in (a.so_far(), a.metrics()):
        for name, value in found.items():
            assert math.isclose(value, expected[name], rel_tol=1e-12, abs_tol=1e-9), name
    if a.complete:
        assert a.metrics().keys() == expected.keys()
    if not a.complete:
        assert a.metrics().keys() == {"zero_shot"}, "no final metric of a run that has not ended"


@cases(300)
@given(matrices())
def test_means_of_accuracies_lie_between_the_smallest_and_the_largest_entry(
    a: AccuracyMatrix,
) -> None:
    entries = [value for row in a.rows for value in row]
    for name in ("transfer", "average", "last", "learned"):
        if name in (found := a.so_far()):
            assert min(entries) - 1e-9 <= found[name] <= max(entries) + 1e-9
    for name, value in a.metrics().items():
        if name.startswith("zero_shot"):
            assert min(a.zero_shot) - 1e-9 <= value <= max(a.zero_shot) + 1e-9
        assert math.isfinite(value)


@cases(300)
@given(matrices(whole=True), st.randoms())
def test_tasks_that_change_places_with_their_rows(a: AccuracyMatrix, random: object) -> None:
    """b_ij = a_p(i)p(j): Average and learning accuracy stay, task by task; the others are b's own."""
    p = list(range(len(a.tasks)))
    random.shuffle(p)  # type: ignore[attr-defined]
    b = AccuracyMatrix(
        tuple(a.tasks[j] for j in p),
        tuple(a.zero_shot[j] for j in p),
        tuple(tuple(a.rows[i][j] for j in p) for i in p),
    )
    assert b.average_per_task == pytest.approx([a.average_per_task[j] for j in p], abs=1e-9)
    assert b.learned_per_task == tuple(a.learned_per_task[j] for j in p)
    for name in ("average", "learned", "zero_shot"):
        assert b.metrics()[name] == pytest.approx(a.metrics()[name], abs=1e-9)
    assert b.metrics() == pytest.approx(by_loops(b), abs=1e-9)
    assert b.last_per_task == tuple(a.rows[p[-1]][j] for j in p)


@cases(60)
@given(matrices(), NAMES)
def test_a_matrix_comes_back_from_its_file(a: AccuracyMatrix, names: tuple[str, ...]) -> None:
    count = min(len(names), len(a.tasks))
    named = AccuracyMatrix(
        names[:count], a.zero_shot[:count], tuple(row[:count] for row in a.rows[:count])
    )
    with tempfile.TemporaryDirectory() as folder:
        write_matrix(Path(folder), named)
        assert read_matrix(Path(folder) / "matrix.csv") == named, "to the last bit"


@cases(40)
@example(("x.npy", "x"), 2)
@given(NAMES, st.integers(0, 5))
def test_predictions_come_back_from_their_file(names: tuple[str, ...], count: int) -> None:
    """Numpy's functions take ``file`` for their own argument, and ``x.npy`` for the task ``x``."""
    arrays = {name: np.arange(i, i + count, dtype=np.uint16) for i, name in enumerate(names)}
    with tempfile.TemporaryDirectory() as folder:
        write_arrays(Path(folder) / "a.npz", arrays)
        found = read_arrays(Path(folder) / "a.npz")
        with np.load(Path(folder) / "a.npz", allow_pickle=False) as by_numpy:
            assert set(by_numpy.files) == set(names)
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert found[name].dtype == np.uint16 and (found[name] == array).all()
