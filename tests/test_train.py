"""The training loop: schedule, order of images, and a loss that is not finite."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.errors import NotFiniteError
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.optimizer import make_optimizer
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.task import Batch, LabelSpace, Task, TrainingTask
from cl_bench.benchmark.train import Progress, Trained, train


def training_task(size: int = 10, batch_size: int = 4, seed: int = 0) -> TrainingTask:
    pixels = torch.arange(size, dtype=torch.uint8).view(size, 1, 1, 1).expand(size, 3, 2, 2)
    images = Images(pixels.contiguous(), torch.arange(size))
    labels = LabelSpace.from_templates(tuple(map(str, range(size))), ("{}", "a {}"))
    normalise = Pixels(2, torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    generator = torch.Generator().manual_seed(seed)
    return TrainingTask(Task("toy", labels, images, images), normalise, batch_size, generator)


class Toy(Method):
    """One number, pulled to zero; the loss can be spoilt at a step."""

    def __init__(self, spoil_at: int | None = None) -> None:
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.steps, self.spoil_at = 0, spoil_at

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [self.weight]

    def loss(self, batch: Batch) -> Tensor:
        self.steps += 1
        return self.weight**2 * (math.nan if self.steps == self.spoil_at else 1.0)


def test_onecycle_cycles_lr_and_beta1_as_torchs_defaults_do() -> None:
    weight = nn.Parameter(torch.zeros(1))
    optimizer, schedule = make_optimizer([weight], Recipe(), 1e-3, steps=10, steps_per_epoch=5)
    assert schedule is not None
    seen = []
    for _ in range(10):
        group = optimizer.param_groups[0]
        seen.append((group["lr"], group["betas"][0]))
        optimizer.step()
        schedule.step() if len(seen) < 10 else None
    assert seen[0] == pytest.approx((1e-3 / 25, 0.95))
    assert seen[2] == pytest.approx((1e-3, 0.85))  # 30 % of the way
    assert seen[-1] == pytest.approx((1e-3 / 25 / 1e4, 0.95))


def test_training_lowers_the_loss_and_reports() -> None:
    method, reports = Toy(), list[Progress]()
    recipe = Recipe(lr=0.05, weight_decay=0, schedule="constant")
    trained = train(method, training_task(), recipe, 15, "fp32", reports.append)
    assert trained.steps == 15 == method.steps
    assert [r.step for r in reports] == [10, 15] and reports[0].lr == 0.05
    assert reports[1].loss < reports[0].loss < 1


class Linear(Method):
    """A matrix product of the pixels."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(torch.zeros(12, 5))

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [self.weight]

    def loss(self, batch: Batch) -> Tensor:
        return (batch.images.flatten(1) @ self.weight).square().mean()  # [B, 12] [12, 5]


def test_flops_of_a_step_are_those_of_its_matrix_products() -> None:
    trained = train(Linear(), training_task(), Recipe(), 3, "fp32", lambda report: None)
    forward = 2 * 4 * 12 * 5  # a product and a sum for each of 4 x 12 x 5
    assert trained == Trained(3, 2 * forward), "the gradient of the weight is one product more"


@pytest.mark.parametrize("step", [1, 7, 12])
def test_loss_that_is_not_finite_names_task_and_step(step: int) -> None:
    with pytest.raises(NotFiniteError, match=rf"nan on task 'toy' at step {step}$"):
        train(Toy(spoil_at=step), training_task(), Recipe(), 15, "fp32", lambda report: None)


def test_nothing_to_train_takes_no_step() -> None:
    frozen = Method.__new__(Method)
    task = training_task()
    assert train(frozen, task, Recipe(), 15, "fp32", lambda report: None) == Trained(0, 0)
    assert task.images_drawn == 0


def test_every_image_once_an_epoch_and_every_draw_counted() -> None:
    task = training_task()
    batches = list(task.epoch())
    assert [len(b.targets) for b in batches] == [4, 4, 2] and task.batches_per_epoch() == 3
    assert sorted(torch.cat([b.targets for b in batches]).tolist()) == list(range(10))
    assert [len(b.targets) for b in task.epoch(drop_last=True)] == [4, 4]
    assert task.images_drawn == 18
    first = batches[0]
    assert torch.equal(first.images[:, 0, 0, 0] * 255, first.targets.float())
    assert all(len(prompts) == 1 for prompts in first.labels.prompts)


def test_a_single_partial_batch_is_not_dropped() -> None:
    assert [len(b.targets) for b in training_task(size=3).epoch(drop_last=True)] == [3]


def test_order_follows_the_seed() -> None:
    orders = [
        torch.cat([b.targets for b in training_task(seed=seed).epoch()]).tolist()
        for seed in (0, 0, 1)
    ]
    assert orders[0] == orders[1] != orders[2]
