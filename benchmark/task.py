"""The data that flows: label spaces, batches, tasks, streams, and what a method may see of a task."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cl_bench.benchmark.ahead import ahead
from cl_bench.benchmark.endless import Endless
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.resize import resize

CROPPERS = min(os.cpu_count() or 1, 16)  # threads that decode and crop training images


@dataclass(frozen=True)
class LabelSpace:
    """What one prediction chooses between.

    Attributes:
        classnames: C class names.
        prompts: per class, its prompts (one template or an ensemble).
    """

    classnames: tuple[str, ...]
    prompts: tuple[tuple[str, ...], ...]

    @classmethod
    def from_templates(cls, classnames: tuple[str, ...], templates: tuple[str, ...]) -> LabelSpace:
        """Fill each class name into each template; ``_`` becomes a space, as the papers' code does.

        Args:
            classnames: C class names.
            templates: prompts with one ``{}`` each.
        """
        prompts = tuple(
            tuple(template.format(name).replace("_", " ") for template in templates)
            for name in classnames
        )
        return cls(classnames, prompts)

    @classmethod
    def union(cls, spaces: Sequence[LabelSpace]) -> LabelSpace:
        """All classes of all ``spaces`` in their order; a name that two of them have stands twice.

        So it is counted in X-TAIL (1,100 classes of ten data sets; RAIL, arXiv 2406.18868).
        """
        return cls(
            tuple(name for space in spaces for name in space.classnames),
            tuple(prompts for space in spaces for prompts in space.prompts),
        )

    def find(self, classnames: tuple[str, ...]) -> int | None:
        """Where ``classnames`` begin among these classes, as a whole; ``None`` if they do not."""
        count = len(classnames)
        starts = range(len(self.classnames) - count + 1)
        return next((i for i in starts if self.classnames[i : i + count] == classnames), None)

    def first_prompts(self) -> LabelSpace:
        """The same classes with their first prompt alone: what every method trains with."""
        return LabelSpace(self.classnames, tuple(prompts[:1] for prompts in self.prompts))


@dataclass(frozen=True)
class Batch:
    """A mini-batch on the model's device.

    Attributes:
        images: float32 [B, 3, S, S], normalised for the backbone.
        targets: int64 [B].
        labels: what the targets index.
    """

    images: Tensor
    targets: Tensor
    labels: LabelSpace


@dataclass(frozen=True)
class Task:
    """One data set of the benchmark, as the runner sees it."""

    name: str
    labels: LabelSpace
    train: Images
    test: Images


@dataclass(frozen=True)
class TaskStream:
    """Tasks in the order in which they are learned."""

    name: str
    tasks: tuple[Task, ...]
    remarks: tuple[str, ...] = ()
    """What was found in the images that whoever reads the results should know, in words."""


@dataclass(frozen=True)
class Pixels:
    """Turns uint8 pixels into the backbone's normalised input, on its device.

    Attributes:
        size: side S of the backbone's input in pixels.
        mean: per-channel mean of pixel values in [0, 1], float32 [3, 1, 1].
        std: per-channel standard deviation, float32 [3, 1, 1].
    """

    size: int
    mean: Tensor
    std: Tensor

    def __call__(self, pixels: Tensor) -> Tensor:
        """Resize and normalise uint8 [B, 1 or 3, H, H] to float32 [B, 3, S, S]."""
        there = pixels.to(self.mean.device, non_blocking=True)
        images = resize(there, self.size).float().div_(255).expand(-1, 3, -1, -1)
        return (images - self.mean).div_(self.std)


@dataclass(frozen=True)
class _Order:
    """One pass over N images: their order, int64 [N], and the seeds of their crops, int64 [N]."""

    rows: Tensor
    seeds: Tensor | None


class TrainingTask:
    """A task as a method sees it: training images only, every draw counted.

    Attributes:
        name: the task's name.
        labels: its classes, each with its first prompt.
        batch_size: images per batch.
        images_drawn: how many training images were handed out so far, in any pass.
    """

    def __init__(
        self,
        task: Task,
        normalise: Pixels,
        batch_size: int,
        generator: torch.Generator,
        *,
        cropped: bool = False,
    ) -> None:
        """Wrap ``task``.

        Args:
            task: what to draw from.
            normalise: makes the backbone's input of pixels.
            batch_size: images per batch.
            generator: on the CPU; decides the order of the images and their crops.
            cropped: hand out random resized crops, fresh at every draw, unless asked for plain ones.
        """
        self.name = task.name
        self.labels = task.labels.first_prompts()
        self.batch_size = batch_size
        self.images_drawn = 0
        self._train = task.train
        self._normalise = normalise
        self._generator = generator
        self._cropped = cropped

    def beside(self, task: Task, generator: torch.Generator) -> TrainingTask:
        """Another task under the same rules: batch size and augmentation."""
        return TrainingTask(
            task, self._normalise, self.batch_size, generator, cropped=self._cropped
        )

    def __len__(self) -> int:
        """The number of training images."""
        return len(self._train)

    def batches_per_epoch(self) -> int:
        """Batches in an epoch that keeps the last, partial one."""
        return -(-len(self) // self.batch_size)

    def epoch(self, *, drop_last: bool = False, plain: bool = False) -> Iterator[Batch]:
        """One pass over the training images in a fresh random order.

        Args:
            drop_last: leave out a last, partial batch (unless it is the only one).
            plain: without augmentation.
        """
        kept = len(self) // self.batch_size * self.batch_size if drop_last else 0
        yield from self._batches(self._draw(plain), range(0, kept or len(self), self.batch_size))

    def _draw(self, plain: bool) -> _Order:
        """The order of one pass, and its crops."""
        rows = torch.randperm(len(self), generator=self._generator)
        if plain or not self._cropped:
            return _Order(rows, None)
        # all seeds at once: they do not depend on how far ahead batches are made
        return _Order(rows, torch.randint(2**62, (len(self),), generator=self._generator))

    def _batches(self, order: _Order, starts: range) -> Iterator[Batch]:
        """The batches that begin at some places of a pass."""

        def make(start: int) -> tuple[Tensor, Tensor]:
            part = slice(start, start + self.batch_size)
            rows = order.rows[part]
            if order.seeds is None:
                pixels = self._train.take(rows)
            else:
                pixels = self._train.crop(rows, order.seeds[part], self._size)
            if self._normalise.mean.is_cuda and not pixels.is_cuda:
                pixels = pixels.pin_memory()  # so that the copy to the GPU waits for nothing
            return pixels, self._train.targets[rows]

        for pixels, targets in ahead(make, starts, 1 if order.seeds is None else CROPPERS):
            self.images_drawn += len(targets)
            images = self._normalise(pixels)
            yield Batch(images, targets.to(images.device), self.labels)

    @property
    def _size(self) -> int:
        return self._normalise.size

    def endless(self, *, plain: bool = False) -> Endless[Batch]:
        """Pass after pass, with a place that can be kept (and the task's own state beside it)."""
        size = self.batch_size
        return Endless(
            lambda done: self._batches(self._draw(plain), range(done * size, len(self), size)),
            self._generator,
        )

    def state_dict(self) -> dict[str, Any]:
        """What the task will draw next, and what it has handed out."""
        return {"generator": self._generator.get_state(), "images_drawn": self.images_drawn}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        self._generator.set_state(state["generator"])
        self.images_drawn = state["images_drawn"]
