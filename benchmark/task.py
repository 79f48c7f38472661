"""The data that flows: label spaces, batches, tasks, streams, and what a method may see of a task."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from cl_bench.benchmark import keeping
from cl_bench.benchmark.endless import Endless
from cl_bench.benchmark.hand_over import inputs, sent
from cl_bench.benchmark.image_order import ImageOrder
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.processes.group import rank, size

T = TypeVar("T")


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
        indices: int64 [B], which images of their :class:`TrainingTask` these are: 0 to its length - 1,
            so that in a few-shot run they count the chosen images, not those of the data set.
    """

    images: Tensor
    targets: Tensor
    labels: LabelSpace
    indices: Tensor


@dataclass(frozen=True)
class Task:
    """One data set of the benchmark, as the runner sees it."""

    name: str
    labels: LabelSpace
    train: Images
    test: Images
    clients: Tensor | None = None
    """Which client has each training image, int64 [N] of 0, 1, ...; ``None``: one learner has all."""

    def train_images_of_classes(self) -> list[int]:
        """How many training images each class has."""
        classes = len(self.labels.classnames)
        return torch.bincount(self.train.targets, minlength=classes).tolist()


@dataclass(frozen=True)
class TaskStream:
    """Tasks in the order in which they are learned."""

    name: str
    tasks: tuple[Task, ...]
    remarks: tuple[str, ...] = ()
    """What was found in the images that whoever reads the results should know, in words."""


class Pass(Iterator[Batch]):
    """One pass over a task's images, of which several processes may make different batches."""

    def __init__(
        self,
        count: int,
        begin: Callable[[slice], Iterator[Batch]],
        keeper: PassKeeper | None = None,
    ) -> None:
        """Draw nothing yet.

        Args:
            count: of all its batches.
            begin: draws the order and makes some of them; the others count as handed out.
            keeper: keeps where the pass stands; ``None``: nobody does.
        """
        self._count, self._begin, self.keeper = count, begin, keeper
        self._batches: Iterator[Batch] | None = None

    def __len__(self) -> int:
        """How many batches the whole pass has."""
        return self._count

    def __next__(self) -> Batch:
        """The next of all batches."""
        if self._batches is None:
            self._batches = self._begin(slice(None))
        return next(self._batches)

    def own(self) -> Iterator[Batch]:
        """The batches of this process, instead of all: every n-th of n processes."""
        return self._begin(slice(rank(), None, size()))

    def behind(self, done: int) -> Iterator[Batch]:
        """The batches behind the first ``done``, which are not read."""
        return self._begin(slice(done, None))


class PassKeeper(Protocol):
    """Adds up what the batches of passes contribute, and keeps how far it is."""

    def added_up(self, batches: Pass, add: Callable[[T, Batch], T], total: T) -> T:
        """The total of a whole pass; the arguments are those of ``passes.summed``."""


class TrainingTask:
    """A task as a method sees it: training images only, every draw counted.

    Attributes:
        name: the task's name.
        labels: its classes, each with its first prompt.
        batch_size: images per batch.
        cropped: whether draws are random resized crops, unless plain ones are asked for.
        kept: int64 [k], which images ``keep`` chose last; ``None`` before it is called.
        steps: how many optimizer steps are taken on it; known from the first of them on.
    """

    def __init__(
        self,
        task: Task,
        normalise: Pixels,
        batch_size: int,
        generator: torch.Generator,
        *,
        cropped: bool = False,
        earlier: tuple[TrainingTask, ...] | None = None,
        keeper: PassKeeper | None = None,
    ) -> None:
        """Wrap ``task``.

        Args:
            task: what to draw from.
            normalise: makes the backbone's input of pixels.
            batch_size: images per batch.
            generator: on the CPU; decides the order of the images and their crops.
            cropped: hand out random resized crops, fresh at every draw, unless asked for plain ones.
            earlier: what is kept of earlier tasks; ``None`` where the method does not declare it.
            keeper: keeps where passes over it stand; ``None``: nobody does.
        """
        self.name = task.name
        self.labels = task.labels.first_prompts()
        self.batch_size, self.cropped = batch_size, cropped
        self.kept: Tensor | None = None
        self.steps: int | None = None
        self._train, self._earlier, self._keeper = task.train, earlier, keeper
        self._normalise, self._generator = normalise, generator
        self._drawn, self._closed = 0, False

    def beside(self, task: Task, generator: torch.Generator) -> TrainingTask:
        """Another task under the same rules: batch size and augmentation."""
        return TrainingTask(task, self._normalise, self.batch_size, generator, cropped=self.cropped)

    @property
    def earlier(self) -> tuple[TrainingTask, ...]:
        """What the method has kept of earlier tasks, in their order; tasks without any are left out.

        Raises:
            UserError: the method's configuration does not name the need ``earlier images``.
        """
        if self._earlier is None:
            raise keeping.undeclared(self.name)
        return self._earlier

    def keep(self, indices: Tensor) -> None:
        """Choose what is kept of this task's images while later tasks are learned; nothing else is.

        Without a call, nothing of the current task is kept, and all that was kept of an earlier one.

        Args:
            indices: int64 [k], as ``Batch.indices`` has them; each at most once.

        Raises:
            UserError: the need ``earlier images`` is not declared, or the task is over.
            ValueError: there are no such images.
        """
        _ = self.earlier  # raises where it is not declared
        if self._closed:
            raise keeping.over(self.name)
        self.kept = keeping.chosen(indices, len(self), self.name)

    def close(self) -> None:
        """End the task: neither its images nor those kept of earlier ones can be drawn any more."""
        self._closed = True
        for task in self._earlier or ():
            task.close()

    @property
    def images_drawn(self) -> int:
        """How many training images were handed out so far, in any pass, those of ``earlier`` too."""
        return self._drawn + sum(task.images_drawn for task in self._earlier or ())

    @property
    def targets(self) -> Tensor:
        """The class of every training image, int64 [N] on the CPU: known without a pass over them."""
        return self._train.targets

    def __len__(self) -> int:
        """The number of training images."""
        return len(self._train)

    def batches_per_epoch(self) -> int:
        """Batches in an epoch that keeps the last, partial one."""
        return -(-len(self) // self.batch_size)

    def epoch(self, *, drop_last: bool = False, plain: bool = False) -> Pass:
        """One pass over the training images in a fresh random order, drawn with the first batch.

        Args:
            drop_last: leave out a last, partial batch (unless it is the only one).
            plain: without augmentation.
        """
        kept = len(self) // self.batch_size * self.batch_size if drop_last else 0
        starts = range(0, kept or len(self), self.batch_size)

        def begin(own: slice) -> Iterator[Batch]:
            yield from self._batches(self._draw(plain, len(self)), starts[own])
            others = set(starts) - set(starts[own])  # counted, as this process's are by the others
            self._drawn += sum(min(self.batch_size, len(self) - start) for start in others)

        return Pass(len(starts), begin, self._keeper)

    def _draw(self, plain: bool, count: int) -> ImageOrder:
        return ImageOrder.draw(count, self._generator, cropped=self.cropped and not plain)

    def _batches(self, order: ImageOrder, starts: range) -> Iterator[Batch]:
        """The batches that begin at some places of a pass."""
        parts = [slice(start, start + self.batch_size) for start in starts]
        both = torch.stack(
            [self._train.targets[order.rows], order.rows]
        )  # [2, N], of the whole pass
        both = sent(both, self._normalise.mean)
        images = inputs(self._train, order, parts, self._normalise)
        for x, part in zip(images, parts, strict=True):
            if self._closed:
                raise keeping.over(self.name)
            self._drawn += len(x)
            yield Batch(x, both[0, part], self.labels, both[1, part])

    def endless(self, *, plain: bool = False, rows: Tensor | None = None) -> Endless[Batch]:
        """Pass after pass, with a place that can be kept (and the task's own state beside it).

        Args:
            plain: without augmentation.
            rows: int64 [k], which of the images the passes are over; ``None``: all.
        """
        size = self.batch_size
        among = torch.arange(len(self)) if rows is None else rows

        def begin(done: int) -> Iterator[Batch]:
            order = self._draw(plain, len(among)).among(among)
            return self._batches(order, range(done * size, len(among), size))

        return Endless(begin, self._generator)

    def state_dict(self) -> dict[str, Any]:
        """What the task will draw next, what it has handed out, and what is to be kept."""
        state = {"generator": self._generator.get_state(), "images_drawn": self._drawn}
        state["earlier"] = {str(i): t.state_dict() for i, t in enumerate(self._earlier or ())}
        return state if self.kept is None else {**state, "kept": self.kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        self._generator.set_state(state["generator"])
        self._drawn, self.kept = state["images_drawn"], state.get("kept")
        for i, task in enumerate(self._earlier or ()):
            task.load_state_dict(state["earlier"][str(i)])
