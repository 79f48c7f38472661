"""A few tasks learned in small, everything that costs metered: from the method's start to its checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch

from cl_bench.benchmark.config import Protocol, Recipe
from cl_bench.benchmark.earlier_images import EarlierImages
from cl_bench.benchmark.estimate.shapes import Amounts, saved_bytes
from cl_bench.benchmark.estimate.storage import held_storage, state_bytes
from cl_bench.benchmark.evaluate import EVALUATION_BATCH
from cl_bench.benchmark.label_spaces import label_spaces
from cl_bench.benchmark.method import Method, all_parameters
from cl_bench.benchmark.precision import autocast
from cl_bench.benchmark.randomness import seed_everything
from cl_bench.benchmark.task import Batch, LabelSpace, Task, TaskStream, TrainingTask
from cl_bench.benchmark.train import Training

BATCHES = 3  # of training images of a rehearsed task
Meter = Callable[[], Amounts]  # what was spent since some moment: seconds, or work by its kinds


@dataclass(frozen=True)
class Rules:
    """By what a run learns and is evaluated.

    Attributes:
        recipe: optimizer and schedule.
        protocol: augmentation, precision, label spaces and prompts.
        batch_size: of training.
        steps: per task, as the run makes them.
        keeps_images: whether the method declares that it keeps images of learned tasks.
    """

    recipe: Recipe
    protocol: Protocol
    batch_size: int
    steps: dict[str, int]
    keeps_images: bool


Parts = dict[str, Amounts]
"""What a task took, by part of the run. ``prepare batch`` and ``consolidate batch`` are for a batch of
every pass over the images, ``prepare`` and ``consolidate`` for the rest; ``first step`` is beyond a
``step``; ``prompts`` is for the classes of one prompt, ``image`` for one test image. In bytes: ``state`` of
the checkpoint, ``trainable`` of what trains, ``held`` of all tensors that the method holds while it trains,
``saved`` of what a step keeps for its backward pass, and ``saved image`` of what it keeps
for one image of the batch."""


@dataclass
class Rehearsal:
    """Plays what the runner does with a method, in small.

    Attributes:
        rules: those of the run.
        meter: what costs are read from.
        steps: optimizer steps of every task: 0, or at least 2.
        is_whole: whether test images are classified and bytes counted, too.
        is_real: whether tensors have content: then what a step keeps for its backward pass is not
            counted.
    """

    rules: Rules
    meter: Meter
    steps: int
    is_whole: bool
    is_real: bool
    _passes: list[tuple[int, Amounts]] = field(default_factory=list)

    def play(self, make_method: Callable[[], Method], stream: TaskStream) -> list[Parts]:
        """Start the method, evaluate it, and let it learn every task and be evaluated after each.

        Args:
            make_method: makes it around a pre-trained model.
            stream: the tasks, each with ``BATCHES`` batches of training images.

        Returns:
            ``start`` of the method with the zero-shot row, then every task.
        """
        start = self.meter()
        method = make_method()
        row = {"start": self.meter() - start}
        earlier = EarlierImages(stream, declared=self.rules.keeps_images)
        if self.is_whole:
            if self.is_real:
                self._evaluate(method, stream)  # prepares the device
            row |= self._evaluate(method, stream)
        return [row, *(self._learn(method, task, stream, earlier) for task in stream.tasks)]

    def _learn(
        self, method: Method, task: Task, stream: TaskStream, earlier: EarlierImages
    ) -> Parts:
        """What one task takes."""
        rules = self.rules
        generator = seed_everything(0, task.name)
        cropped = rules.protocol.augment == "random_resized_crop"
        normalise = method.clip.normaliser()
        training = earlier.open(task, normalise, rules.batch_size, generator, cropped=cropped)
        self._watch_passes(training)
        parts = self._phase("prepare", lambda: method.before_task(training))
        trainable = all_parameters(method.trainable_parameters())
        if trainable and self.steps:
            parts |= self._train(method, training)
        if self.is_whole:
            parts |= self._while_training(method, training)
        parts |= self._phase("consolidate", lambda: method.after_task(training))
        earlier.close(training)
        if self.is_whole:
            parts |= self._evaluate(method, stream)
            state = state_bytes(method.state_dict() | earlier.state_dict())
            parts["state"] = np.array([float(state)])
        return parts

    def _watch_passes(self, training: TrainingTask) -> None:
        """Note what every pass over the task takes for one of its batches."""
        original = training.epoch

        def epoch(**how: bool) -> Iterator[Batch]:
            marks = []
            for batch in original(**how):
                marks.append(self.meter())
                yield batch
            each = (marks[-1] - marks[0]) / max(len(marks) - 1, 1)
            self._passes.append((len(marks), each))

        training.epoch = epoch  # type: ignore[method-assign,assignment]

    def _phase(self, name: str, work: Callable[[], None]) -> dict[str, Amounts]:
        """What a phase takes for a batch of all its passes, and for the rest."""
        self._passes.clear()
        start = self.meter()
        work()
        whole = self.meter() - start
        batches = sum((count * each for count, each in self._passes), 0 * whole)
        each = sum((each for _, each in self._passes), 0 * whole)
        return {name: whole - batches, f"{name} batch": each}

    def _train(self, method: Method, task: TrainingTask) -> dict[str, Amounts]:
        """What a step takes, and what the first takes beyond that."""
        rules = self.rules
        steps = max(rules.steps[task.name], self.steps + 1)  # a schedule has an end
        training = Training(method, task, rules.recipe, steps, rules.protocol.precision)
        if not self.is_real:
            training.step = 1  # the first step of a run also counts FLOPs, in a slow way
        taken = []
        for _ in range(self.steps):
            start = self.meter()
            training.take_step()
            taken.append(self.meter() - start)
        step = np.median(np.stack(taken[1:]), axis=0)
        return {"first step": np.maximum(taken[0] - step, 0), "step": step}

    def _while_training(self, method: Method, task: TrainingTask) -> Parts:
        """Bytes that are held, that train and, without content, that a step keeps."""
        trainable = all_parameters(method.trainable_parameters())
        held = held_storage(method)
        sizes: dict[str, float] = dict.fromkeys(("saved", "saved image"), 0.0)
        sizes["trainable"] = sum(p.numel() * p.element_size() for p in trainable)
        sizes["held"] = sum(held.values())
        if trainable and not self.is_real:
            batch = next(task.endless())
            count, few = len(batch.images), len(batch.images) // 2
            sizes["saved"] = self._saved(method, batch, set(held))
            if few:
                less = self._saved(method, _first(batch, few), set(held))
                sizes["saved image"] = max((sizes["saved"] - less) / (count - few), 0)
        return {name: np.array([float(size)]) for name, size in sizes.items()}

    def _saved(self, method: Method, batch: Batch, held: set[int]) -> float:
        """Bytes that a step with this batch keeps for its backward pass."""
        with autocast(method.clip.device.type, self.rules.protocol.precision):
            return saved_bytes(lambda: method.loss(batch), held)

    @torch.no_grad()
    def _evaluate(self, method: Method, stream: TaskStream) -> dict[str, Amounts]:
        """What the classes of one prompt and one test image take, in the mean over the tasks."""
        spaces = label_spaces(self.rules.protocol, stream).after(len(stream.tasks))
        classes, images = [], []
        normalise = method.clip.normaliser()
        with autocast(method.clip.device.type, self.rules.protocol.precision):
            for task in stream.tasks:
                labels, some = spaces[task.name], torch.arange(len(task.test))[:EVALUATION_BATCH]
                marks = [self.meter()]
                classify = method.classifier(labels)
                marks.append(self.meter())
                _ = classify(normalise(task.test.take(some))).argmax(dim=-1).tolist()
                classes.append((marks[1] - marks[0]) / prompts_of(labels))
                images.append((self.meter() - marks[1]) / len(some))
        return {"prompts": np.mean(classes, axis=0), "image": np.mean(images, axis=0)}


def _first(batch: Batch, count: int) -> Batch:
    """Some images of a batch."""
    rows = slice(count)
    return replace(
        batch, images=batch.images[rows], targets=batch.targets[rows], indices=batch.indices[rows]
    )


def prompts_of(labels: LabelSpace) -> int:
    """How many prompts a label space has."""
    return sum(map(len, labels.prompts))


def as_seconds(device: torch.device, clock: Callable[[], float]) -> Meter:
    """A meter of seconds by ``clock`` that waits for the device."""

    def now() -> Any:
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return np.array([clock()])

    return now
