"""The data that flows: label spaces, batches, tasks, streams, and what a method may see of a task."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor


@dataclass(frozen=True)
class LabelSpace:
    """What one prediction chooses between.

    Attributes:
        classnames: C class names.
        prompts: per class, its prompts (one template or an ensemble), all of the same number.
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

    def first_prompts(self) -> LabelSpace:
        """The same classes with their first prompt alone: what every method trains with."""
        return LabelSpace(self.classnames, tuple(prompts[:1] for prompts in self.prompts))


@dataclass(frozen=True)
class Images:
    """Labelled images, pre-processed to the backbone's size.

    Attributes:
        pixels: uint8 [N, 3, S, S]; may be a memory-mapped tensor.
        targets: int64 [N], indices into the task's class names.
    """

    pixels: Tensor
    targets: Tensor

    def __len__(self) -> int:
        """The number of images N."""
        return len(self.targets)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over pixels and targets: equal exactly where the data is."""
        sha = hashlib.sha256(self.targets.numpy().tobytes())
        sha.update(self.pixels.numpy().data)
        return sha.hexdigest()


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


@dataclass(frozen=True)
class Pixels:
    """Turns uint8 pixels into the backbone's normalised input, on its device.

    Attributes:
        mean: per-channel mean of pixel values in [0, 1], float32 [3, 1, 1].
        std: per-channel standard deviation, float32 [3, 1, 1].
    """

    mean: Tensor
    std: Tensor

    def __call__(self, pixels: Tensor) -> Tensor:
        """Normalise uint8 [B, 3, S, S] to float32 [B, 3, S, S]."""
        images = pixels.to(self.mean.device, non_blocking=True).float().div_(255)
        return images.sub_(self.mean).div_(self.std)


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
        augment: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """Wrap ``task``.

        Args:
            task: what to draw from.
            normalise: makes the backbone's input of pixels.
            batch_size: images per batch.
            generator: on the CPU; decides the order of the images.
            augment: from uint8 [B, 3, S, S] to the same, applied to every batch but plain ones.
        """
        self.name = task.name
        self.labels = task.labels.first_prompts()
        self.batch_size = batch_size
        self.images_drawn = 0
        self._train = task.train
        self._normalise = normalise
        self._generator = generator
        self._augment = augment

    def beside(self, task: Task, generator: torch.Generator) -> TrainingTask:
        """Another task under the same rules: batch size and augmentation."""
        return TrainingTask(task, self._normalise, self.batch_size, generator, self._augment)

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
        order = torch.randperm(len(self), generator=self._generator)
        for rows in order.split(self.batch_size):
            if drop_last and len(rows) < min(self.batch_size, len(self)):
                return
            self.images_drawn += len(rows)
            pixels = self._train.pixels[rows]
            if self._augment is not None and not plain:
                pixels = self._augment(pixels)
            images = self._normalise(pixels)
            yield Batch(images, self._train.targets[rows].to(images.device), self.labels)

    def endless(self, *, plain: bool = False) -> Iterator[Batch]:
        """Pass after pass, for methods that count steps of their own."""
        while True:
            yield from self.epoch(plain=plain)
