"""The plain loop that the bench compares with computes what cl-bench computes."""

from __future__ import annotations

import copy

import pytest
import torch
from bench.plain import PlainLoop, factors_of, training_step
from bench.random_task import as_seen, backbone, made, random_task
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.evaluate import predict
from cl_bench.benchmark.task import Task
from cl_bench.benchmark.train import Training
from cl_bench.methods.features import BatchMean, task_grams
from cl_bench.methods.gradients import mean_gradients
from cl_bench.methods.keeplora import KeepLoRA

IMAGES, CLASSES, BATCH, STEPS = (
    10,
    5,
    4,
    4,
)  # two whole batches, and a partial one that both leave out


@pytest.fixture(scope="module")
def clip() -> Clip:
    return backbone(tiny=True)


@pytest.fixture(scope="module")
def task(clip: Clip) -> Task:
    return random_task(clip, IMAGES, CLASSES)


def near(a: Tensor, b: Tensor, share: float = 1e-5) -> bool:
    """Whether two are equal but for a share of their length."""
    return bool((a.double() - b.double()).norm() <= share * b.double().norm()) and bool(
        b.norm() > 0
    )


def test_the_gradient_pass(clip: Clip, task: Task) -> None:
    ours = mean_gradients(clip, as_seen(clip, task, BATCH))
    batches = as_seen(clip, task, BATCH).epoch(drop_last=True, plain=True)
    theirs = PlainLoop(clip).gradients(batches)
    for tower in ("v", "t"):
        for one, other in zip(theirs[tower], ours[tower], strict=True):
            assert near(one, other)


def test_the_feature_pass(clip: Clip, task: Task) -> None:
    ours = task_grams(clip, as_seen(clip, task, BATCH), BatchMean, padded=True)
    batches = as_seen(clip, task, BATCH).epoch(drop_last=True, plain=True)
    theirs = PlainLoop(clip).features(batches, task.labels)
    for tower in ("v", "t"):
        # M is the mean of the batches over the number of tokens in one: that factor goes with ours.
        seen = {of.seen for of in theirs[tower]}
        assert len(seen) == 1
        for of, gram in zip(theirs[tower], ours[tower], strict=True):
            tokens = of.M.shape[1]
            assert near((tokens * of.M) @ (tokens * of.M).T, gram)


def test_steps_of_training(clip: Clip, task: Task) -> None:
    mine = copy.deepcopy(clip)
    method = made("keeplora", mine, task)
    assert isinstance(method, KeepLoRA)
    method.before_task(seen := as_seen(mine, task, BATCH))
    plain = PlainLoop(clip)
    trained = plain.adapt(factors_of(method), method.config.alpha / method.config.rank)
    batch = next(iter(as_seen(mine, task, BATCH).epoch()))
    own, other = method.loss(batch), plain.loss(batch)
    assert other.item() == pytest.approx(own.item(), rel=1e-5)
    own.backward()
    other.backward()
    updates = list(method.adapters.parameters())
    gradients = torch.cat([p.grad.flatten(0, 1).flatten() for p in updates if p.grad is not None])
    assert near(torch.cat([p.grad.flatten() for p in trained if p.grad is not None]), gradients)
    training = Training(method, seen, Recipe(schedule="constant", lr=1e-3), STEPS, "fp32")
    step, batches = training_step(plain, trained, "fp32"), copy.deepcopy(seen).endless()
    for _ in range(STEPS):
        training.take_step()
        step(next(batches))
    assert method.loss(batch).item() != pytest.approx(own.item(), rel=1e-3)  # it did learn
    assert plain.loss(batch).item() == pytest.approx(method.loss(batch).item(), rel=1e-4)


def test_predictions(clip: Clip, task: Task) -> None:
    method = made("zero-shot", clip, task)
    normalise = clip.normaliser()
    ours = predict(method.classifier(task.labels), task.test, normalise)
    batches = (normalise(part) for part in task.test.pixels.split(BATCH))
    assert torch.equal(PlainLoop(clip).predict(batches, task.labels), ours)


def test_another_weight_is_another_gradient(clip: Clip, task: Task) -> None:
    """So that the comparisons above can fail."""
    ours = mean_gradients(clip, as_seen(clip, task, BATCH))
    loop = PlainLoop(clip)
    with torch.no_grad():
        loop.projections("v")[5].weight.mul_(1.001)
    batches = as_seen(clip, task, BATCH).epoch(drop_last=True, plain=True)
    assert not near(loop.gradients(batches)["v"], ours["v"])
