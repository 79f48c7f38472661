"""The exponential rule: published totals, every class its images, and the ratio that was asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cl_bench.datasets.long_tail import largest_ratio, long_tailed, ranks, share

AVAILABLE = st.lists(st.integers(1, 900), min_size=2, max_size=12)
RATIO = st.floats(1, 200)


@pytest.mark.parametrize(
    ("classes", "images", "ratio", "total"),
    [
        (100, 500, 100, 10_847),
        (100, 500, 10, 19_573),
        (10, 5_000, 100, 12_406),
        (10, 5_000, 10, 20_431),
    ],
)
def test_totals_are_those_of_cifar_lt(classes: int, images: int, ratio: int, total: int) -> None:
    """As published for the long-tailed CIFAR-100 and CIFAR-10."""
    kept = long_tailed([images] * classes, ratio, list(range(classes)))
    assert sum(kept) == total
    assert (kept[0], kept[-1]) == (images, images // ratio)


@given(AVAILABLE, RATIO, st.integers(0, 99))
def test_no_class_gives_more_than_it_has_and_one_gives_all_it_can(
    available: list[int], ratio: float, seed: int
) -> None:
    ranked = ranks(len(available), str(seed))
    kept = long_tailed(available, ratio, ranked)
    assert all(0 <= n <= has for n, has in zip(kept, available, strict=True))
    by_rank = [kept[ranked.index(rank)] for rank in range(len(available))]
    assert by_rank == sorted(by_rank, reverse=True), "who is drawn as more frequent has no fewer"
    assert any(n == has for n, has in zip(kept, available, strict=True)), "images are left over"


@given(AVAILABLE, RATIO, st.integers(0, 99))
def test_the_ratio_is_reached_as_far_as_whole_images_go(
    available: list[int], ratio: float, seed: int
) -> None:
    kept = long_tailed(available, ratio, ranks(len(available), str(seed)))
    most, least = max(kept), min(kept)
    assert least <= (most + 1) / ratio + 1e-6 and most <= (least + 1) * ratio + 1e-6


@given(AVAILABLE, st.integers(0, 99))
def test_the_largest_ratio_leaves_every_class_an_image_and_a_larger_one_does_not(
    available: list[int], seed: int
) -> None:
    ranked = ranks(len(available), str(seed))
    most = largest_ratio(available, ranked)
    assert min(long_tailed(available, most, ranked)) >= 1
    assert min(long_tailed(available, most * 1.001, ranked)) == 0


def test_ranks_are_these_ones_whatever_the_version_of_python() -> None:
    assert ranks(6, "0/mini-MNIST/classes") == [1, 3, 4, 0, 2, 5]
    drawn = np.array([ranks(6, f"{seed}/mini-MNIST/classes") for seed in range(300)])
    assert (np.sort(drawn, axis=1) == np.arange(6)).all()
    assert abs(drawn.mean(axis=0) - 2.5).max() < 0.4, "no class is frequent by its index"


def test_one_thing_alone_keeps_all() -> None:
    assert share(100, 0, 1) == 1
