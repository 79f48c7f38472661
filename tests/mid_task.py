"""One method twice: learning its second task undisturbed, and broken off in the middle and gone on with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from small_run import fresh, small_stream
from torch import Tensor

from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.task import Task, TrainingTask
from cl_bench.benchmark.train import Progress, Training, train
from cl_bench.experiment.resolve import Plan

STEPS, STOP = 5, 2  # of the second task; an epoch has three or four


@dataclass
class Learner:
    """A method with the task that it learns and the training on it."""

    method: Method
    task: TrainingTask
    training: Training | None

    @classmethod
    def of(cls, plan: Plan, method: Method, task: TrainingTask) -> Learner:
        """After ``before_task`` or ``continue_task``."""
        trains = any(True for _ in method.trainable_parameters())
        precision = plan.config.protocol.precision
        recipe = plan.config.recipe
        training = Training(method, task, recipe, STEPS, precision) if trains else None
        return cls(method, task, training)

    def finish(self) -> list[Progress]:
        """Take the steps that are left and consolidate."""
        reports = list(self.training.progress()) if self.training else []
        self.method.after_task(self.task)
        return reports


def drawn_from(plan: Plan, method: Method, task: Task) -> TrainingTask:
    generator = seed_everything(plan.config.seed, task.name)
    cropped = plan.config.protocol.augment == "random_resized_crop"
    earlier = () if "earlier images" in plan.config.extra_data else None
    normalise = method.clip.normaliser()
    return TrainingTask(task, normalise, 32, generator, cropped=cropped, earlier=earlier)


def stored(method: Method, folder: Path) -> bytes:
    """The method's whole state, as a checkpoint holds it."""
    save_checkpoint(folder / "state", method.state_dict())
    return (folder / "state").read_bytes()


@torch.no_grad()
def logits(method: Method, task: Task) -> Tensor:
    images = method.clip.normaliser()(task.test.pixels[:20])
    return method.classifier(task.labels.first_prompts())(images)


def goes_on_as_if_undisturbed(plan: Plan, folder: Path) -> Learner:
    """Learn two tasks, once undisturbed and once broken off within the second; they must be equal.

    Returns:
        The one that went on, at the end.
    """
    first, second = small_stream(plan).tasks
    undisturbed = fresh(plan)
    begun = drawn_from(plan, undisturbed, first)
    undisturbed.before_task(begun)
    train(undisturbed, begun, plan.config.recipe, 2, "fp32", lambda progress: None)
    undisturbed.after_task(begun)

    task = drawn_from(plan, undisturbed, second)
    undisturbed.before_task(task)
    one = Learner.of(plan, undisturbed, task)
    if one.training:
        assert STOP < task.batches_per_epoch() < STEPS
        for _ in range(STOP):
            one.training.take_step()
        save_checkpoint(folder / "training", one.training.state_dict())
    kept = stored(undisturbed, folder)
    (folder / "method").write_bytes(kept)
    expected = one.finish()

    torch.manual_seed(99)  # another process has drawn something else
    continued = fresh(plan)
    continued.load_state_dict(load_checkpoint(folder / "method"))
    again = drawn_from(plan, continued, second)
    continued.continue_task(again)
    other = Learner.of(plan, continued, again)
    if other.training:
        other.training.load_state_dict(load_checkpoint(folder / "training"))
        assert stored(continued, folder) == kept, "it may be kept once more before the next step"
    assert other.finish() == expected, "the losses"
    assert again.images_drawn == task.images_drawn
    assert stored(continued, folder) == stored(undisturbed, folder)
    assert undisturbed.diagnostics() == continued.diagnostics()
    for each in (first, second):
        assert torch.equal(logits(continued, each), logits(undisturbed, each))
    return other
