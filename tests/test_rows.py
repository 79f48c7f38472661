"""Few images at a time give the gradients of the whole batch, of every method that allows it."""

from __future__ import annotations

import pytest
import torch
from one_step import ROW_BY_ROW, TRAINED, WAYS, apart, gradients

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.rows import Division, through

FEW = WAYS["five at a time"]


@pytest.mark.parametrize(
    "name", ["lora", "keeplora", "keeplora+", "keeplora-kd", "zscl", "gift", "joint"]
)
def test_gradients_of_a_few_images_at_a_time_are_those_of_the_batch(name: str) -> None:
    assert name in ROW_BY_ROW
    assert apart(gradients(name, FEW), gradients(name)) < 1e-4


def test_what_draws_inside_of_a_tower_is_given_whole_batches() -> None:
    assert set(TRAINED) - set(ROW_BY_ROW) == {"moe-adapters", "iap"}


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_mixed_precision_goes_through_in_parts(precision: str) -> None:
    found = gradients("lora", FEW, precision)
    assert all(g is None or bool(g.isfinite().all()) for g in found)
    assert apart(found, gradients("lora", precision=precision)) < 0.05


@pytest.mark.parametrize("division", [Division(shared=True), FEW])
def test_a_tower_that_draws_is_not_given_parts(division: Division) -> None:
    """Its noise would differ from that of the whole batch, and nothing in the results would show it."""
    noisy = lambda rows, beside: torch.nn.functional.dropout(rows.flatten(1))  # noqa: E731
    through(noisy, torch.rand(12, 3, 2, 2), None)
    with division.used(), pytest.raises(UserError, match="row_by_row = True does not hold"):
        through(noisy, torch.rand(12, 3, 2, 2), None)


def test_no_more_images_are_in_the_tower_than_asked_for() -> None:
    seen: list[int] = []

    def tower(rows: torch.Tensor, beside: torch.Tensor | None) -> torch.Tensor:
        seen.append(len(rows))
        return rows.flatten(1).sin()

    images = torch.rand(12, 3, 2, 2, requires_grad=True)
    with Division(images_at_once=5).used():
        features = through(tower, images, None)
    features.sum().backward()
    assert seen[:3] == [5, 5, 2] and sorted(seen[3:]) == [2, 5, 5], "there and on the way back"
    torch.testing.assert_close(images.grad, images.detach().cos())
    seen.clear()
    with Division(images_at_once=2).used():
        through(tower, images, None, per_image=3)
    assert seen == [6, 6], "texts are shorter: more of them are as large as an image"
