"""Few-shot draws: so many of every class, the same ones for one seed, others for another."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.datasets.few_shot import choose

TARGETS = st.lists(st.integers(0, 5), min_size=1, max_size=60).map(
    lambda labels: np.array(labels, dtype=np.int64)
)


@given(TARGETS, st.integers(1, 20), st.integers(0, 9))
def test_every_class_gives_so_many_or_all_that_it_has(
    targets: np.ndarray, shots: int, seed: int
) -> None:
    rows = choose(targets, shots, seed, "task")
    assert rows.dtype == np.int64 and (np.diff(rows) > 0).all()
    available = np.bincount(targets, minlength=6)
    assert np.bincount(targets[rows], minlength=6).tolist() == [min(shots, n) for n in available]


@given(TARGETS, st.integers(1, 20), st.integers(0, 9))
def test_a_class_is_drawn_whatever_other_classes_there_are(
    targets: np.ndarray, shots: int, seed: int
) -> None:
    """So a task's images stay the same when a class is added to the data set behind it."""
    longer = np.append(targets, [7, 7, 7])
    kept = choose(longer, shots, seed, "task")
    assert np.array_equal(kept[kept < len(targets)], choose(targets, shots, seed, "task"))


def test_seed_and_task_decide() -> None:
    targets = np.repeat(np.arange(3), 50)
    one = choose(targets, 5, 0, "a")
    assert np.array_equal(one, choose(targets, 5, 0, "a"))
    assert not np.array_equal(one, choose(targets, 5, 1, "a"))
    assert not np.array_equal(one, choose(targets, 5, 0, "b"))


def test_the_draw_stays_what_it_was() -> None:
    """Published few-shot runs can be repeated only as long as these rows are drawn."""
    assert choose(np.repeat(np.arange(3), 20), 4, 0, "DTD").tolist() == [
        3, 7, 8, 16, 24, 26, 30, 39, 40, 44, 47, 48,
    ]  # fmt: skip


def test_every_image_is_drawn_equally_often() -> None:
    targets = np.zeros(10, dtype=np.int64)
    times = np.bincount([row for seed in range(2_000) for row in choose(targets, 3, seed, "a")])
    assert len(times) == 10 and abs(times - 600).max() < 5 * (2_000 * 0.3 * 0.7) ** 0.5
