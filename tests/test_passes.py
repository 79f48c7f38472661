"""Passes that methods make for themselves: one sum, batch after batch, as a loop would add."""

from __future__ import annotations

from itertools import chain

import torch
from golden_clip import golden_clip
from test_train import training_task
from torch import Tensor

from cl_bench.benchmark.images import Images
from cl_bench.benchmark.passes import summed
from cl_bench.benchmark.task import Batch, LabelSpace, Task, TrainingTask
from cl_bench.methods.cosine_head import CosineHead
from cl_bench.methods.gradients import mean_gradients

LABELS = LabelSpace.from_templates(("cat", "boat", "oak"), ("a photo of a {}.",))


def toy(batch_size: int = 4) -> TrainingTask:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (14, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images = Images(pixels, torch.arange(14) % 3)
    task = Task("toy", LABELS, images, images)
    return TrainingTask(task, golden_clip().normaliser(), batch_size, generator)


def test_contributions_are_added_in_the_order_of_the_batches() -> None:
    task = training_task(size=10, batch_size=4)
    seen: list[list[int]] = []

    def add(total: Tensor, batch: Batch) -> Tensor:
        seen.append(batch.targets.tolist())
        return total * 10 + len(batch.targets)

    total, batches = summed(task.epoch(), add, torch.zeros(()))
    assert total == 442 and batches == 3
    assert sorted(chain(*seen)) == list(range(10)) and task.images_drawn == 10
    assert summed([], add, torch.ones(())) == (torch.ones(()), 0)


def test_class_means_are_those_of_a_plain_loop() -> None:
    clip, means = golden_clip(), torch.zeros(3, 48)
    with torch.no_grad():
        for batch in toy().epoch(plain=True):
            means.index_add_(0, batch.targets, clip.encode_images(batch.images).float())
    expected = torch.nn.functional.normalize(means, dim=-1)
    assert torch.equal(CosineHead.of_class_means(clip, toy()).w.data, expected)


def test_the_mean_gradient_is_that_of_every_batch_apart() -> None:
    """The text tower's, too, which is sent through once for all batches."""
    clip, task = golden_clip(), toy()
    found = mean_gradients(clip, task)
    weights = {
        tower: [w for a in of for w in (a.in_proj_weight, a.out_proj.weight)]
        for tower, of in clip.attentions().items()
    }
    batches = list(toy().epoch(drop_last=True, plain=True))
    assert len(batches) == 3
    for tower, of in weights.items():
        for weight in of:
            weight.requires_grad_(True)
        for batch in batches:
            clip.cross_entropy(batch).backward()
        for i, (in_proj, out_proj) in enumerate(zip(of[::2], of[1::2], strict=True)):
            q, k, v = in_proj.grad.unflatten(0, (3, -1)) / 3  # type: ignore[union-attr]
            for j, expected in enumerate((q, k, v, out_proj.grad / 3)):  # type: ignore[operator]
                got = found[tower][4 * i + j].T
                torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-4)
        clip.zero_grad(set_to_none=True)
    assert not any(p.grad is not None for p in clip.parameters())
