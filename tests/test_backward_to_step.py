"""Between backward and step: unscaled gradients, the method's own change, clipping; groups of parameters."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from small_run import small_plan
from test_train import Toy, training_task
from torch import Tensor, nn

from cl_bench.benchmark.config import Recipe, RunConfig
from cl_bench.benchmark.method import Method, ParameterGroup, all_parameters
from cl_bench.benchmark.optimizer import make_optimizer
from cl_bench.benchmark.task import Batch
from cl_bench.benchmark.train import train

PLAIN = Recipe(optimizer="sgd", lr=0.1, weight_decay=0, schedule="constant")


def learn(method: Method, recipe: Recipe = PLAIN, steps: int = 5, precision: str = "fp32") -> None:
    train(method, training_task(), recipe, steps, precision, lambda progress: None)


class Projected(Method):
    """Steps only where an earlier task's direction is not: gradients are projected off it."""

    def __init__(self, projects: bool = True) -> None:
        self.weight = nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
        self.protected = torch.tensor([0.6, 0.8, 0.0])
        self.projects = projects

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [self.weight]

    def loss(self, batch: Batch) -> Tensor:
        return self.weight.square().sum()

    def after_backward(self) -> None:
        gradient = self.weight.grad
        assert gradient is not None
        if self.projects:
            gradient -= (gradient @ self.protected) * self.protected


def test_a_method_projects_its_gradients() -> None:
    method, free = Projected(), Projected(projects=False)
    start = method.weight.detach().clone()
    learn(method)
    learn(free)
    along = (method.weight - start) @ method.protected
    assert along.abs() < 1e-6 and (method.weight - start).norm() > 1
    assert ((free.weight - start) @ method.protected).abs() > 1, "without the hook it moves there"


class Watched(Toy):
    """Keeps what it finds between backward and step, and the weight then."""

    def __init__(self, slope: float) -> None:
        super().__init__()
        self.slope, self.found, self.order = slope, list[float](), list[str]()

    def loss(self, batch: Batch) -> Tensor:
        self.order.append("loss")
        return self.weight * self.slope

    def after_backward(self) -> None:
        assert self.weight.grad is not None
        self.order.append("after_backward")
        self.found.append(self.weight.grad.item())

    def after_step(self, step: int) -> None:
        self.order.append(f"after_step {step}")


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_method_sees_gradients_without_the_scale_and_before_clipping(precision: str) -> None:
    method = Watched(3.0)
    learn(method, PLAIN.model_copy(update={"grad_clip": 0.5}), 2, precision)
    assert method.found == [3.0, 3.0]
    once = ["loss", "after_backward"]
    assert method.order == [*once, "after_step 1", *once, "after_step 2"]


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
def test_clipping_is_of_the_true_gradient_whatever_the_scale(precision: str) -> None:
    method = Watched(3.0)
    learn(method, PLAIN.model_copy(update={"grad_clip": 0.5}), 1, precision)
    assert method.weight.item() == pytest.approx(1 - 0.1 * 0.5, abs=1e-6)
    small = Watched(0.25)
    learn(small, PLAIN.model_copy(update={"grad_clip": 0.5}), 1, precision)
    assert small.weight.item() == pytest.approx(1 - 0.1 * 0.25, abs=1e-6), (
        "below it nothing changes"
    )


class Two(Method):
    """A large and a small gradient; the second weight may be in a group of its own."""

    def __init__(self, **group: Any) -> None:
        self.one, self.two = nn.Parameter(torch.ones(1)), nn.Parameter(torch.ones(1))
        self.group = group

    def trainable_parameters(self) -> list[nn.Parameter | ParameterGroup]:
        return [ParameterGroup([self.two], **self.group) if self.group else self.two, self.one]

    def loss(self, batch: Batch) -> Tensor:
        return (4 * self.one + 3 * self.two).sum()


@pytest.mark.parametrize("group", [{}, {"lr_scale": 1.0, "weight_decay": 0.0}])
def test_the_norm_is_of_all_parameters_together(group: dict[str, float]) -> None:
    method = Two(**group)
    learn(method, PLAIN.model_copy(update={"grad_clip": 1.0}), 1)
    assert method.one.item() == pytest.approx(1 - 0.1 * 0.8, abs=1e-5), "4 of a norm of 5"
    assert method.two.item() == pytest.approx(1 - 0.1 * 0.6, abs=1e-5)


def test_a_group_steps_at_its_own_rate_and_decays_by_its_own() -> None:
    method = Two(lr_scale=0.5, weight_decay=0.0)
    learn(method, PLAIN.model_copy(update={"weight_decay": 1.0}), 1)
    assert method.one.item() == pytest.approx(1 - 0.1 * (4 + 1)), "the recipe's decay"
    assert method.two.item() == pytest.approx(1 - 0.05 * 3), "half the rate, no decay"
    inherited = Two(lr_scale=0.5)
    learn(inherited, PLAIN.model_copy(update={"weight_decay": 1.0}), 1)
    assert inherited.two.item() == pytest.approx(1 - 0.05 * (3 + 1))


@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize(
    "schedule", ["onecycle", "warmup_cosine", "epoch_cosine", "step_cosine", "constant"]
)
def test_a_schedule_moves_every_group_in_its_own_proportion(optimizer: Any, schedule: Any) -> None:
    method, recipe = Two(lr_scale=0.1), Recipe(optimizer=optimizer, schedule=schedule)
    optimizer_, scheduler = make_optimizer(method.trainable_parameters(), recipe, 1e-2, 10, 5)
    alone = Two()
    known, its = make_optimizer(alone.trainable_parameters(), recipe, 1e-2, 10, 5)
    assert [len(group["params"]) for group in optimizer_.param_groups] == [1, 1]
    rates = []
    for _ in range(10):
        plain, own = (group["lr"] for group in optimizer_.param_groups)
        assert plain == known.param_groups[0]["lr"], "a group beside it changes nothing"
        assert own == pytest.approx(0.1 * plain, rel=1e-9)
        rates.append(own)
        for of, moved in ((optimizer_, scheduler), (known, its)):
            of.step()
            if moved is not None:
                moved.step()
    assert (len(set(rates)) > 1) == (schedule != "constant")


def test_a_group_counts_among_the_trainable_parameters() -> None:
    parameters = all_parameters(Two(lr_scale=0.1).trainable_parameters())
    assert len(parameters) == 2 == len({id(p) for p in parameters})


def test_a_step_that_fp16_skips_reaches_the_hook_with_infinity_and_no_weight() -> None:
    method = Watched(4.0)
    method.loss = lambda batch: (method.weight.half() * 40).float()  # type: ignore[method-assign]
    learn(method, PLAIN.model_copy(update={"grad_clip": 1.0}), 8, "fp16")
    assert math.isinf(method.found[0]) and method.found[-1] == 40
    assert math.isfinite(method.weight.item())


# Recorded on 26 November 2026, before recipes could clip: names of folders rest on them.
DIGESTS = {
    ("keeplora", "fair"): "9fac64bbd6b6",
    ("zscl", "paper"): "2ba305073eb2",
    ("moe-adapters", "fair"): "48eaf87174b8",
}


@pytest.mark.parametrize(("method", "preset"), DIGESTS)
def test_digests_of_earlier_configurations_stay(method: str, preset: str) -> None:
    config = small_plan(method, preset=preset).config
    assert config.digest() == DIGESTS[method, preset]
    written = config.model_dump(mode="json")
    del (
        written["recipe"]["grad_clip"],
        written["recipe"]["momentum"],
    )  # as earlier versions wrote it
    assert RunConfig.model_validate(written).digest() == config.digest()


def test_clipping_is_part_of_the_digest_and_is_checked() -> None:
    clipped = small_plan("keeplora", overrides=("grad_clip=1.0",)).config
    assert clipped.recipe.grad_clip == 1.0 and clipped.digest() != DIGESTS["keeplora", "fair"]
    for value in (0, -1, math.inf, math.nan):
        with pytest.raises(ValidationError):
            Recipe(grad_clip=value)
