"""Training goes on after any step as if nothing had happened: bit for bit, whatever the recipe.

What a wrong state would do without a word: skip or repeat a batch, draw other crops or noise, lose the
moments, be a step off in the schedule, forget the scale of fp16 or a group's own rate.
"""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.endless import Endless, shuffled
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method, ParameterGroup
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.randomness import random_states, restore_random_states, seed_everything
from cl_bench.benchmark.task import Batch, LabelSpace, Task, TrainingTask
from cl_bench.benchmark.train import Progress, Trained, Training

STEPS = 23  # five steps an epoch: four whole epochs and more
SCHEDULES = ("onecycle", "warmup_cosine", "epoch_cosine", "step_cosine", "constant")
OPTIMIZERS = ("adamw", "adam", "sgd")


def toy_task(cropped: bool = False) -> TrainingTask:
    generator = torch.Generator().manual_seed(1)
    pixels = torch.randint(256, (18, 3, 8, 8), generator=generator, dtype=torch.uint8)
    images = Images(pixels, torch.arange(18) % 3)
    labels = LabelSpace.from_templates(("a", "b", "c"), ("{}",))
    normalise = Pixels(8, torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    task = Task("toy", labels, images, images)
    return TrainingTask(task, normalise, 4, seed_everything(3, "toy"), cropped=cropped)


class Noisy(Method):
    """A matrix product and everything that may be drawn: dropout, numpy, Python.

    One weight lies column after column in memory, another stands still in odd steps.
    """

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(2)
        start = torch.randn(8, 192, generator=generator) / 14
        self.first = nn.Parameter(start.T.detach())  # [192, 8], not contiguous
        self.second = nn.Parameter(torch.randn(8, 3, generator=generator))
        self.idle = nn.Parameter(torch.ones(3))
        self.seen: list[tuple[float, int]] = []
        self.calls = 0

    def trainable_parameters(self) -> list[nn.Parameter | ParameterGroup]:
        return [self.first, ParameterGroup([self.second], 0.1, weight_decay=0.0), self.idle]

    def loss(self, batch: Batch) -> Tensor:
        self.calls += 1
        hidden = nn.functional.dropout(batch.images.flatten(1) @ self.first, 0.3).relu()
        shift = 0.01 * float(np.random.standard_normal()) + 0.01 * random.gauss(0, 1)
        logits = hidden @ self.second + shift + (self.idle if self.calls % 2 else 0)
        loss = nn.functional.cross_entropy(logits.float(), batch.targets)
        self.seen.append((float(loss.detach()), int(batch.images.sum() * 255)))
        return loss

    def state_dict(self) -> dict[str, Any]:
        weights = {"first": self.first, "second": self.second, "idle": self.idle}
        return {"weights": weights, "calls": self.calls}

    @torch.no_grad()
    def load_state_dict(self, state: Any) -> None:
        for name, weight in state["weights"].items():
            getattr(self, name).copy_(weight)
        self.calls = state["calls"]


def play(
    folder: Path, recipe: Recipe, precision: str, cropped: bool, stop: int | None
) -> tuple[Noisy, list[Progress], Trained]:
    """Train, all at once or stopped after a step and gone on with in a fresh process's place."""
    method, task = Noisy(), toy_task(cropped)
    training = Training(method, task, recipe, STEPS, precision)
    reports: list[Progress] = []
    if stop is not None:
        reports += itertools.islice(training.progress(), stop // 10)
        while training.step < stop:
            training.take_step()
        save_checkpoint(folder / "training", training.state_dict())
        save_checkpoint(folder / "method", method.state_dict())
        seen = method.seen
        torch.manual_seed(7), np.random.seed(7), random.seed(7)
        method, task = Noisy(), toy_task(cropped)
        torch.randn(3), np.random.randn(3), random.random()
        method.load_state_dict(load_checkpoint(folder / "method"))
        training = Training(method, task, recipe, STEPS, precision)
        training.load_state_dict(load_checkpoint(folder / "training"))
        method.seen = seen
    reports += training.progress()
    assert task.images_drawn == 4 * 18 + 3 * 4, "every draw is counted once"
    return method, reports, training.result()


def must_be_equal(one: Any, other: Any) -> None:
    assert one[0].seen == other[0].seen, "the same images in the same order, and the same losses"
    for name in ("first", "second", "idle"):
        assert torch.equal(getattr(one[0], name), getattr(other[0], name)), name
    assert one[1] == other[1] and one[2] == other[2], "reports and result"


CASES = [
    *itertools.product(SCHEDULES, ["adamw"], ["fp32"], [False]),
    *itertools.product(["onecycle"], OPTIMIZERS, ["fp32", "bf16"], [True]),
    ("warmup_cosine", "adam", "fp16", False),
    ("constant", "sgd", "fp16", False),
]


@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
@pytest.mark.parametrize(("schedule", "optimizer", "precision", "cropped"), CASES)
def test_training_goes_on_after_any_step(
    schedule: Any, optimizer: Any, precision: str, cropped: bool, tmp_path: Path
) -> None:
    recipe = Recipe(schedule=schedule, optimizer=optimizer, lr=0.01, grad_clip=0.5)
    undisturbed = play(tmp_path, recipe, precision, cropped, None)
    for stop in (0, 1, 4, 5, 7, 10, 22, 23):
        must_be_equal(play(tmp_path, recipe, precision, cropped, stop), undisturbed)


def test_a_report_that_was_due_when_training_stopped_is_made_then(tmp_path: Path) -> None:
    expected = list(Training(Noisy(), toy_task(), Recipe(), STEPS, "fp32").progress())
    assert [p.step for p in expected] == [10, 20, 23]
    method, task = Noisy(), toy_task()
    training = Training(method, task, Recipe(), STEPS, "fp32")
    for _ in range(10):
        training.take_step()
    save_checkpoint(tmp_path / "training", training.state_dict())
    save_checkpoint(tmp_path / "method", method.state_dict())
    again, task = Noisy(), toy_task()
    again.load_state_dict(load_checkpoint(tmp_path / "method"))
    continued = Training(again, task, Recipe(), STEPS, "fp32")
    continued.load_state_dict(load_checkpoint(tmp_path / "training"))
    assert list(continued.progress()) == expected


class Overflowing(Noisy):
    """A gradient that fp16 cannot hold at the first scales: steps are skipped."""

    def loss(self, batch: Batch) -> Tensor:
        return super().loss(batch) + 40 * (self.idle.sum().half() * 1).float()


@pytest.mark.parametrize("stop", [1, 3, 12])
def test_the_scale_of_fp16_and_what_it_skipped_go_along(stop: int, tmp_path: Path) -> None:
    recipe = Recipe(schedule="constant", lr=0.01)

    def begun() -> Training:
        return Training(Overflowing(), toy_task(), recipe, STEPS, "fp16")

    undisturbed, broken_off = begun(), begun()
    expected = list(undisturbed.progress())
    for _ in range(stop):
        broken_off.take_step()
    save_checkpoint(tmp_path / "kept", broken_off.state_dict())
    continued = begun()
    continued.load_state_dict(load_checkpoint(tmp_path / "kept"))
    scaler = continued.state_dict()["scaling"]["scaler"]
    assert scaler == broken_off.state_dict()["scaling"]["scaler"] and scaler["scale"] < 65536
    assert expected[-1].step == STEPS and undisturbed.result().skipped_steps >= 6
    list(continued.progress())
    assert continued.result().skipped_steps == undisturbed.result().skipped_steps


def test_what_is_kept_is_tensors_and_json(tmp_path: Path) -> None:
    training = Training(Noisy(), toy_task(), Recipe(), STEPS, "fp32")
    training.take_step()
    save_checkpoint(tmp_path / "kept", training.state_dict())
    again = Training(Noisy(), toy_task(), Recipe(), STEPS, "fp32")
    again.load_state_dict(load_checkpoint(tmp_path / "kept"))
    save_checkpoint(tmp_path / "again", again.state_dict())
    assert (tmp_path / "again").read_bytes() == (tmp_path / "kept").read_bytes()


def test_a_method_that_forgets_to_train_is_named() -> None:
    training = Training(Noisy(), toy_task(), Recipe(), STEPS, "fp32")
    training.take_step()
    method = Noisy()
    method.second.requires_grad_(False)
    again = Training(method, toy_task(), Recipe(), STEPS, "fp32")
    with pytest.raises(UserError, match=r"Noisy cannot go on .* 'toy': after continue_task"):
        again.load_state_dict(training.state_dict())


def test_a_method_that_trains_other_parameters_is_no_silent_success() -> None:
    training = Training(Noisy(), toy_task(), Recipe(), STEPS, "fp32")
    training.take_step()
    method = Noisy()
    method.trainable_parameters = lambda: [method.first]  # type: ignore[method-assign]
    again = Training(method, toy_task(), Recipe(), STEPS, "fp32")
    with pytest.raises(UserError, match="the same parameters must train as before"):
        again.load_state_dict(training.state_dict())


def test_a_moment_lies_in_memory_as_its_weight() -> None:
    """Fused kernels walk over both: a moment laid out otherwise would meet other weights."""
    training = Training(Noisy(), toy_task(), Recipe(), STEPS, "fp32")
    training.take_step()
    again = Training(Noisy(), toy_task(), Recipe(), STEPS, "fp32")
    again.load_state_dict(training.state_dict())
    optimizer = again._optimizer
    weight = optimizer.param_groups[0]["params"][0]
    assert not weight.is_contiguous()
    assert optimizer.state[weight]["exp_avg"].stride() == weight.stride()


def test_random_states_come_back() -> None:
    seed_everything(5, "x")
    torch.randn(3), np.random.standard_normal(3), random.gauss(0, 1)  # half a pair is kept back
    states = random_states(torch.device("cpu"))
    json.dumps({k: v for k, v in states["python"].items() if k != "words"})

    def draw() -> list[float]:
        numbers = [*torch.randn(3).tolist(), *np.random.standard_normal(3), random.gauss(0, 1)]
        return [float(number) for number in numbers]

    expected = draw()
    seed_everything(6, "x")
    assert draw() != expected
    restore_random_states(states, torch.device("cpu"))
    assert draw() == expected


def letters(generator: torch.Generator) -> Endless[int]:
    def begin(done: int) -> Iterator[int]:
        return iter(torch.randperm(5, generator=generator).tolist()[done:])

    return Endless(begin, generator)


@pytest.mark.parametrize("taken", range(12))
def test_several_that_share_a_generator_each_keep_their_place(taken: int) -> None:
    def both() -> tuple[torch.Generator, Endless[int], Endless[int]]:
        generator = torch.Generator().manual_seed(4)
        return generator, letters(generator), letters(generator)

    generator, one, two = both()
    for i in range(taken):
        next(one), (next(two) if i % 2 else None)
    state, places = generator.get_state(), (one.state_dict(), two.state_dict())
    expected = [(next(one), next(two)) for _ in range(13)]
    again, first, second = both()
    again.set_state(state)
    second.load_state_dict(places[1])  # in any order
    first.load_state_dict(places[0])
    assert [(next(first), next(second)) for _ in range(13)] == expected


def test_every_pass_of_shuffled_rows_holds_all() -> None:
    rows = shuffled(10, 4, torch.Generator().manual_seed(0))
    passes = [[next(rows) for _ in range(3)] for _ in range(2)]
    assert [len(part) for part in passes[0]] == [4, 4, 2]
    orders = [torch.cat(parts).tolist() for parts in passes]
    assert [sorted(order) for order in orders] == [list(range(10))] * 2 and orders[0] != orders[1]
