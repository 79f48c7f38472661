"""Ranks and recalls: against the definition, on scores that are written by hand.

What would be wrong without a word: a rank that flatters where scores are equal; a picture of which one caption only
counts; recalls that are counted over the other side; ranks that hang on how many processes share the pictures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cl_bench.benchmark import evaluate, ranks
from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.ranks import Paired, ranks_of
from cl_bench.benchmark.recall import Ranks, as_arrays, at_first, of_arrays, recall_name


def pictures(count: int) -> Images:
    """Pictures that say by their first pixel which one they are."""
    pixels = torch.zeros(count, 3, 1, 1, dtype=torch.uint8)
    pixels[:, 0, 0, 0] = torch.arange(count)
    return Images(pixels, torch.arange(count))


def as_they_are() -> Pixels:
    return Pixels(1, torch.zeros(3, 1, 1), torch.full((3, 1, 1), 1 / 255))


def by(scores: Tensor) -> Callable[[Tensor], Tensor]:
    """A classifier that looks the scores [N, texts] of a picture up."""
    return lambda images: scores[images[:, 0, 0, 0].round().long()]


def found(scores: Tensor, columns: list[int], own: list[int]) -> Ranks:
    paired = Paired(torch.tensor(columns), torch.tensor(own))
    return ranks_of(by(scores), pictures(len(scores)), paired, as_they_are())


def by_definition(scores: np.ndarray[Any, Any], own: list[int]) -> Ranks:
    """Sort all, what belongs together behind what has the same score, and look for the first that does."""

    def first(row: np.ndarray[Any, Any], true: list[bool]) -> int:
        order = sorted(range(len(row)), key=lambda i: (-row[i], true[i]))
        return 1 + next(place for place, i in enumerate(order) if true[i])

    images = [first(row, [o == i for o in own]) for i, row in enumerate(scores)]
    texts = [
        first(column, [i == own[c] for i in range(len(scores))])
        for c, column in enumerate(scores.T)
    ]
    return Ranks(np.array(images, dtype=np.uint32), np.array(texts, dtype=np.uint32))


def same(a: Ranks, b: Ranks) -> bool:
    return all(
        np.array_equal(getattr(a, w), getattr(b, w)) for w in ("image_to_text", "text_to_image")
    )


@pytest.mark.parametrize("levels", [3, 10_000], ids=["many ties", "few ties"])
@pytest.mark.parametrize("batch", [256, 4])
def test_ranks_are_those_of_the_definition(
    levels: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate, "EVALUATION_BATCH", batch)
    rng = np.random.default_rng(7)
    own = [*range(12), *rng.integers(0, 12, 25).tolist()]
    scores = rng.integers(0, levels, (12, len(own))).astype(np.float32)
    assert same(
        found(torch.from_numpy(scores), list(range(len(own))), own), by_definition(scores, own)
    )


def test_where_all_scores_are_equal_nothing_is_found() -> None:
    ranks = found(torch.zeros(11, 22), list(range(22)), [*range(11), *range(11)])
    assert set(ranks.image_to_text.tolist()) == {21} and set(ranks.text_to_image.tolist()) == {11}
    assert set(ranks.recalls().values()) == {0.0}


def test_any_of_a_pictures_captions_counts_and_a_shared_text_does_not_help() -> None:
    scores = torch.tensor([[1.0, 5.0, 3.0], [9.0, 2.0, 2.5]])
    ranks = found(scores, [0, 1, 2], [0, 0, 1])
    assert ranks.image_to_text.tolist() == [1, 2], "the better of the first's two captions"
    assert ranks.text_to_image.tolist() == [2, 1, 2]
    twice = found(scores[:, :2], [0, 1, 1], [0, 0, 1])  # both pictures have the text 1
    assert twice.image_to_text.tolist() == [2, 3], "it cannot be told which of the two is meant"
    assert twice.text_to_image.tolist() == [2, 1, 2]


def test_recalls_are_shares_of_ranks_in_both_ways() -> None:
    ranks = Ranks(
        np.array([1, 2, 5, 6], dtype=np.uint32), np.array([1, 10, 11, 4, 99], dtype=np.uint32)
    )
    assert ranks.recalls() == {
        "image_to_text@1": 25.0, "image_to_text@5": 75.0, "image_to_text@10": 100.0,
        "text_to_image@1": 20.0, "text_to_image@5": 40.0, "text_to_image@10": 60.0,
    }  # fmt: skip
    assert at_first(ranks.recalls()) == pytest.approx(22.5)
    assert recall_name("text_to_image", 5) == "text_to_image@5"
    assert same(of_arrays(as_arrays({"a/b": ranks, "a": ranks}), "a/b"), ranks)


def test_processes_share_the_pictures_and_find_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes take turns here: each is given what the other has added so far."""
    monkeypatch.setattr(evaluate, "EVALUATION_BATCH", 3)
    rng = np.random.default_rng(8)
    own = [*range(10), *range(10)]
    scores = torch.from_numpy(rng.integers(0, 5, (10, 20)).astype(np.float32))
    alone = found(scores, list(range(20)), own)
    sums: list[list[Tensor]] = [[], []]

    def run(number: int, others: list[Tensor]) -> Ranks:
        place = iter(range(99))

        def add(tensor: Tensor) -> Tensor:
            sums[number].append(tensor.clone())
            i = next(place)
            return tensor + others[i] if i < len(others) else tensor

        monkeypatch.setattr(ranks, "rank", lambda: number)
        monkeypatch.setattr(ranks, "size", lambda: 2)
        monkeypatch.setattr(ranks, "add_up", add)
        sums[number].clear()
        return found(scores, list(range(20)), own)

    for _ in range(3):  # as many sums as follow from each other
        first = run(0, list(sums[1]))
        second = run(1, list(sums[0]))
    first = run(0, list(sums[1]))
    assert same(first, alone) and same(second, alone)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_no_rank(value: float) -> None:
    scores = torch.rand(10, 10)
    scores[3, 4] = value
    with pytest.raises(NotFiniteError):
        found(scores, list(range(10)), list(range(10)))


def test_scores_of_16_bits_are_refused() -> None:
    with pytest.raises(UserError, match="bfloat16"):
        found(torch.rand(10, 10).bfloat16(), list(range(10)), list(range(10)))


def test_scores_of_other_texts_are_refused() -> None:
    with pytest.raises(UserError, match=r"shape \(10, 11\) for 10 images and 10 classes"):
        found(torch.rand(10, 11), list(range(10)), list(range(10)))


@pytest.mark.parametrize(
    ("images", "texts", "own", "may"),
    [
        ([1, 3], [2, 1, 1], [0, 0, 1], True),
        ([2, 3], [2, 1, 1], [0, 0, 1], True),
        ([3, 3], [2, 1, 1], [0, 0, 1], False),  # of two own captions one is second at the latest
        ([0, 3], [2, 1, 1], [0, 0, 1], False),
        ([1, 3], [3, 1, 1], [0, 0, 1], False),
        ([1, 3], [2, 1], [0, 0, 1], False),
        ([1, 3], [2, 1, 1], [0, 0, 2], False),
        ([1, 3], [2, 1, 1], [0, 0, 2**32 - 1], False),
        ([1, 1], [1, 1, 1], [0, 0, 0], False),
    ],
)
def test_ranks_that_cannot_be_are_told(
    images: list[int], texts: list[int], own: list[int], may: bool
) -> None:
    ranks = Ranks(np.array(images, dtype=np.uint32), np.array(texts, dtype=np.uint32))
    assert ranks.may_be_of(np.array(own, dtype=np.uint32)) is may
