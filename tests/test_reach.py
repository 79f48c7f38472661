"""What a method can reach, each proven by a small method in ``reaching.py`` that learns and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from small_run import fresh, small_plan, small_run, small_stream

from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.earlier_images import EarlierImages
from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.records.events import Learned, those
from cl_bench.benchmark.task import TrainingTask
from cl_bench.benchmark.train import Training
from cl_bench.experiment.resolve import Plan

PLUGIN = Path(__file__).with_name("reaching.py")


def plan_of(method: str, *overrides: str, tasks: int = 2, **choices: Any) -> Plan:
    return small_plan(method, tasks=tasks, plugin=PLUGIN, overrides=overrides, **choices)


class Learner:
    """A method and what it keeps, from task to task, without a run's directory."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.method, self.stream = plan, fresh(plan), small_stream(plan)
        declared = "earlier images" in plan.config.extra_data
        self.earlier = EarlierImages(self.stream, declared=declared)

    def open(self, number: int) -> TrainingTask:
        task = self.stream.tasks[number]
        normalise = self.method.clip.normaliser()
        generator = seed_everything(0, task.name)
        return self.earlier.open(task, normalise, 16, generator, cropped=False)

    def training(self, task: TrainingTask) -> Training:
        return Training(self.method, task, self.plan.config.recipe, 9, "fp32")

    def finish(self, task: TrainingTask, training: Training) -> None:
        while training.step < training.steps:
            training.take_step()
        self.method.after_task(task)
        self.earlier.close(task)

    def stored(self, file: Path) -> bytes:
        save_checkpoint(file, self.method.state_dict() | self.earlier.state_dict())
        return file.read_bytes()


@pytest.mark.parametrize("name", ["prompt-tuning", "hard-images", "replay"])
def test_each_goes_on_in_the_middle_of_a_task(name: str, tmp_path: Path) -> None:
    plan = plan_of(name, "lr=1e-3")
    undisturbed, continued = Learner(plan), Learner(plan)
    task = undisturbed.open(0)
    undisturbed.method.before_task(task)
    undisturbed.finish(task, undisturbed.training(task))
    task = undisturbed.open(1)
    undisturbed.method.before_task(task)
    training = undisturbed.training(task)
    for _ in range(5):
        training.take_step()
    undisturbed.stored(tmp_path / "method")
    save_checkpoint(tmp_path / "training", training.state_dict())
    undisturbed.finish(task, training)

    state = load_checkpoint(tmp_path / "method")
    continued.earlier.load_state_dict(state)
    continued.method.load_state_dict(state)
    again = continued.open(1)
    continued.method.continue_task(again)
    training = continued.training(again)
    training.load_state_dict(load_checkpoint(tmp_path / "training"))
    assert training.step == 5
    continued.finish(again, training)
    assert continued.stored(tmp_path / "b") == undisturbed.stored(tmp_path / "a")
    assert again.images_drawn == task.images_drawn


def test_a_method_learns_by_prompt_tokens_alone(tmp_path: Path) -> None:
    plan = plan_of("prompt-tuning", "steps=20", "lr=2e-2")
    run = small_run(plan, tmp_path)
    metrics = run.matrix.metrics()
    assert metrics["learned"] > metrics["zero_shot"] + 1
    widths = [blocks[0].width for blocks in fresh(plan).clip.attentions().values()]
    assert those(run.events, Learned)[0].trainable_parameters == 2 * 2 * sum(widths)


def test_indices_name_the_images_whose_losses_they_carry(tmp_path: Path) -> None:
    """At a learning rate of next to nothing every image's loss stays what it is without training."""
    plan = plan_of("hard-images", "epochs=1", "lr=1e-30", "batch_size=16")
    run = small_run(plan, tmp_path)
    kept = load_checkpoint(RunFolder(run.path).checkpoint(2))["losses"]
    clip = fresh(plan).clip
    for i, task in enumerate(small_stream(plan).tasks):
        with torch.no_grad():
            features = clip.encode_images(clip.normaliser()(task.train.pixels))
            logits = clip.logits(features, clip.encode_classes(task.labels.first_prompts()))
        expected = F.cross_entropy(logits, task.train.targets, reduction="none")
        torch.testing.assert_close(kept[str(i)], expected, atol=1e-4, rtol=1e-3)
        assert expected.std() > 0.1, "a loss at another image's place would show"


def test_what_a_method_draws_as_it_is_built_comes_from_the_seed_of_the_run() -> None:
    """Else three seeds would share one random start, and ± would be too narrow without a word."""

    def starts(seed: int) -> list[torch.Tensor]:
        return [pair[0].weight for pair in fresh(small_plan("bottleneck", seed=seed)).pairs]

    first = starts(1)
    torch.manual_seed(99)  # another process has drawn something else
    assert all(map(torch.equal, starts(1), first))
    assert not any(map(torch.equal, starts(2), first))
