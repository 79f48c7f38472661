"""Clients that train in turn and are averaged: the mean, whose images, what goes on, what is refused.

What would be wrong without a word: one client in one round that is not the plain run; a mean of something else
than what the clients trained, or with other weights; a client that starts from another's parameters, keeps
another's moments, begins its schedule or its images anew, or sees images of another; a run that goes on after a
kill with another mean; a method that is averaged though its steps do more than move parameters.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from killing import FEW, killed_in_step, must_be_the_same
from small_run import small_plan, small_run
from torch import Tensor, nn

from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.federated import FederatedTraining
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.optimizer import step_cosine
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.events import Learned, Resumed, those
from cl_bench.benchmark.task import Batch, LabelSpace, Task, TrainingTask
from cl_bench.benchmark.train import Training
from cl_bench.benchmark.turns import turns
from cl_bench.datasets.client_split import ClientSplit

LABELS = LabelSpace.from_templates(("cat", "boat"), ("a photo of a {}.",))
OWNERS = torch.tensor([0, 2, 0, 1, 0, 0, 1, 2, 0, 1])  # of ten images: five, three and two
RECIPES = {
    "sgd": Recipe(optimizer="sgd", lr=0.1, schedule="constant", weight_decay=0.0),
    "adamw": Recipe(optimizer="adamw", lr=0.01, schedule="onecycle"),
    "clipped": Recipe(optimizer="adam", lr=0.02, schedule="step_cosine", grad_clip=0.1),
}


class Linear(Method):
    """A linear model of the red channel's mean, without a CLIP."""

    def __init__(self) -> None:
        self.weight = nn.Parameter(torch.tensor([0.3, -0.2]))
        self.bias = nn.Parameter(torch.tensor([0.1]))
        self.seen: list[list[int]] = []
        self.clip = type("Nothing", (), {"changed_state": lambda self: {}})()

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [self.weight, self.bias]

    def loss(self, batch: Batch) -> Tensor:
        self.seen.append(batch.indices.tolist())
        return loss(self.weight, self.bias, batch.images, batch.targets)

    def state_dict(self) -> dict[str, Any]:
        return {"weight": self.weight, "bias": self.bias}


def loss(weight: Tensor, bias: Tensor, images: Tensor, targets: Tensor) -> Tensor:
    x = images.mean(dim=(2, 3))[:, :2]
    return ((x @ weight + bias - targets) ** 2).mean()


PIXELS = torch.randint(
    256, (10, 3, 4, 4), generator=torch.Generator().manual_seed(3), dtype=torch.uint8
)
TARGETS = torch.arange(10) % 2


@dataclass
class Plain:
    """The backbone's input without a backbone."""

    mean: Tensor = field(default_factory=lambda: torch.zeros(1))
    size: int = 4

    def __call__(self, pixels: Tensor) -> Tensor:
        return pixels.float() / 255


def task(batch_size: int = 2) -> TrainingTask:
    images = Images(PIXELS, TARGETS)
    generator = torch.Generator().manual_seed(5)
    return TrainingTask(Task("ten", LABELS, images, images), Plain(), batch_size, generator)  # type: ignore[arg-type]


def federated(
    method: Method, recipe: Recipe, steps: int, rounds: int, owners: Tensor = OWNERS
) -> FederatedTraining:
    return FederatedTraining(method, task(), recipe, steps, "fp32", clients=owners, rounds=rounds)


def learn(training: Training) -> None:
    for _ in training.progress():
        pass


def by_hand(seen: list[list[int]], recipe: Recipe, steps: int, rounds: int) -> list[Tensor]:
    """FedAvg written down once more: separate models and optimizers, and the mean of what came of them.

    Its batches are those that the method saw; all else is its own.
    """
    start = Linear()
    server = [start.weight.detach().clone(), start.bias.detach().clone()]
    shares = turns(steps, 3, rounds)
    totals = Counter({c: sum(t.steps for t in shares if t.client == c) for c in range(3)})
    done, batches = Counter[int](), iter(seen)
    for first in range(0, len(shares), 3):
        trained = []
        for turn in shares[first : first + 3]:
            own = [nn.Parameter(p.clone()) for p in server]
            optimizer, schedule = made(own, recipe, totals[turn.client])
            for _ in range(done[turn.client]):  # the rates of the steps before, without taking them
                optimizer.step()
                if schedule is not None:
                    schedule.step()
            for _ in range(turn.steps):
                rows = next(batches)
                optimizer.zero_grad()
                loss(*own, PIXELS[rows].float() / 255, TARGETS[rows]).backward()
                if recipe.grad_clip is not None:
                    nn.utils.clip_grad_norm_(own, recipe.grad_clip)
                optimizer.step()
                if schedule is not None:
                    schedule.step()
            done[turn.client] += turn.steps
            trained.append([p.detach() for p in own])
        weights = [int((client == OWNERS).sum()) / 10 for client in range(3)]
        server = [
            sum((w * p for w, p in zip(weights, of, strict=True)), torch.zeros(()))
            for of in zip(*trained, strict=True)
        ]
    return server


def made(
    own: list[nn.Parameter], recipe: Recipe, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler | None]:
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(own, lr=recipe.lr, momentum=0.9), None
    if recipe.optimizer == "adamw":
        adamw = torch.optim.AdamW(own, lr=recipe.lr, weight_decay=recipe.weight_decay)
        return adamw, torch.optim.lr_scheduler.OneCycleLR(
            adamw, recipe.lr, total_steps=max(steps, 2)
        )
    adam = torch.optim.Adam(own, lr=recipe.lr, weight_decay=recipe.weight_decay)
    return adam, torch.optim.lr_scheduler.LambdaLR(adam, lambda step: step_cosine(step, steps))


@pytest.mark.parametrize("rounds", [1, 2, 5])
@pytest.mark.parametrize("name", RECIPES)
def test_the_mean_is_that_of_separate_models(name: str, rounds: int) -> None:
    method, recipe = Linear(), RECIPES[name]
    learn(federated(method, recipe, 23, rounds))
    expected = by_hand(method.seen, recipe, 23, rounds)
    for found, by_itself in zip(method.trainable_parameters(), expected, strict=True):
        torch.testing.assert_close(found.detach(), by_itself, rtol=1e-5, atol=1e-6)
    start = Linear()
    assert not torch.allclose(method.weight, start.weight, atol=1e-3), "something was learned"


def test_each_client_sees_its_own_images_pass_after_pass_over_all_rounds() -> None:
    method = Linear()
    learn(federated(method, RECIPES["sgd"], 36, 4))
    shares, batches = turns(36, 3, 4), iter(method.seen)
    of_client: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for turn in shares:
        for _ in range(turn.steps):
            of_client[turn.client] += next(batches)
    for client, seen in of_client.items():
        rows = (client == OWNERS).nonzero().flatten().tolist()
        passes = [seen[i : i + len(rows)] for i in range(0, len(seen), len(rows))]
        assert all(sorted(of) == rows for of in passes[:-1]) and set(passes[-1]) <= set(rows)
        assert len(passes) > 3 and len({tuple(of) for of in passes}) > 1, "in orders of their own"


@pytest.mark.parametrize(
    ("steps", "clients", "rounds"), [(23, 3, 5), (100, 4, 10), (50, 4, 10), (7, 7, 1), (9, 1, 4)]
)
def test_steps_are_shared_as_equally_as_can_be(steps: int, clients: int, rounds: int) -> None:
    made = turns(steps, clients, rounds)
    assert [t.client for t in made] == list(range(clients)) * rounds
    assert [t.ends_round for t in made] == ([False] * (clients - 1) + [True]) * rounds
    taken = [t.steps for t in made]
    assert sum(taken) == steps == made[-1].ends and min(taken) >= 1
    assert [t.ends for t in made] == [sum(taken[: i + 1]) for i in range(len(taken))]
    of_rounds = [sum(taken[i : i + clients]) for i in range(0, len(taken), clients)]
    of_clients = [sum(taken[i::clients]) for i in range(clients)]
    assert max(of_rounds) - min(of_rounds) <= 1 and max(of_clients) - min(of_clients) <= 1


def test_fewer_steps_than_turns_are_an_error() -> None:
    with pytest.raises(ValueError, match="11 steps are too few for 4 clients in 3 rounds"):
        turns(11, 4, 3)


@pytest.mark.parametrize("name", RECIPES)
def test_it_goes_on_from_any_step(name: str, tmp_path: Path) -> None:
    whole = Linear()
    training = federated(whole, RECIPES[name], 17, 3)
    states: list[tuple[Path, list[Tensor]]] = []
    images: list[int] = []

    def keep(at: Training) -> None:
        file = tmp_path / str(at.step)
        save_checkpoint(file, at.state_dict())
        states.append((file, [p.detach().clone() for p in whole.trainable_parameters()]))

    for _ in training.progress(keep):
        images.append(training._task.images_drawn)
    assert len(states) == 18
    for step, (file, parameters) in enumerate(states):
        again = Linear()
        other = federated(again, RECIPES[name], 17, 3)
        with torch.no_grad():
            for own, kept in zip(again.trainable_parameters(), parameters, strict=True):
                own.copy_(kept)
        other.load_state_dict(load_checkpoint(file))
        learn(other)
        assert again.seen == whole.seen[step:], step
        for own, kept in zip(
            again.trainable_parameters(), whole.trainable_parameters(), strict=True
        ):
            assert torch.equal(own, kept), step
        assert other._task.images_drawn == training._task.images_drawn == images[-1]


class Counting(Linear):
    """Counts its losses in its state: what a mean of parameters knows nothing of."""

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "losses": len(self.seen)}


def test_a_method_whose_steps_change_more_than_parameters_is_refused_in_the_first_turn() -> None:
    method = Counting()
    with pytest.raises(
        UserError, match="Counting cannot learn with --clients: while it takes steps"
    ):
        learn(federated(method, RECIPES["sgd"], 12, 2))
    assert len(method.seen) == 2, "behind the first turn"
    for step in (1, 2):  # a run that goes on within the first turn finds it as well
        begun = Counting()
        training = federated(begun, RECIPES["sgd"], 12, 2)
        state = {}
        for _ in range(step - 1):
            training.take_step()
        state = copy.deepcopy(training.state_dict())
        again = Counting()
        again.seen = list(begun.seen)
        other = federated(again, RECIPES["sgd"], 12, 2)
        other.load_state_dict(state)
        with pytest.raises(UserError, match="while it takes steps"):
            learn(other)


@pytest.mark.parametrize("method", ["lora", "finetune", "keeplora"])
def test_one_client_in_one_round_is_the_plain_run(method: str, tmp_path: Path) -> None:
    plain = small_run(small_plan(method, overrides=FEW, tasks=1), tmp_path / "plain")
    alone = small_plan(method, overrides=FEW, tasks=1, clients=1, rounds=1)
    must_be_the_same(small_run(alone, tmp_path / "alone"), plain)
    assert plain.clients() is None
    assert RunFolder(tmp_path / "alone").clients.exists()
    assert alone.config.digest() != plain.config.digest()


def test_a_run_that_is_killed_within_a_round_goes_on_bit_for_bit(tmp_path: Path) -> None:
    plan = small_plan("keeplora", overrides=FEW, tasks=1, clients=3, rounds=2)
    undisturbed = small_run(plan, tmp_path / "undisturbed")
    for of, step in ((1, 6), (1, 9)):  # within a turn, one of them within the second round
        with killed_in_step(of, step):
            small_run(plan, tmp_path / "run", every="2")
    result = small_run(plan, tmp_path / "run", every="2")
    must_be_the_same(result, undisturbed)
    assert [e.steps_done for e in those(result.events, Resumed)] == [4, 8]
    assert check_run(tmp_path / "run") == []
    assert [e.steps for e in those(result.events, Learned)] == [13]


def test_other_clients_than_those_it_began_with_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = small_plan("lora", overrides=FEW, tasks=1, clients=3, rounds=2)
    with killed_in_step(1, 3):
        small_run(plan, tmp_path / "run", every="1")
    drawn: Callable[..., Any] = ClientSplit.choose
    monkeypatch.setattr(ClientSplit, "choose", lambda *of: (drawn(*of) + 1) % 3)
    with pytest.raises(UserError, match=r"the images of mini-\S+ are not those it began with"):
        small_run(plan, tmp_path / "run")
