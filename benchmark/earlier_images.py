"""The images that a method keeps of the tasks it has learned: lent out, counted, saved with the run."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.task import PassKeeper, Task, TaskStream, TrainingTask

KEY = "earlier images, kept by the runner"  # in a checkpoint, beside what the method saves


@dataclass(frozen=True)
class Kept:
    """Some training images of one learned task.

    Attributes:
        rows: which of the task's training images, int64 [k].
        bytes: what they take as 8-bit pixels, uncompressed: of the backbone's size, or as large as
            they are where random crops are drawn from them.
    """

    rows: Tensor
    bytes: int


class EarlierImages:
    """What a run's method keeps, by task.

    Only which images these are is remembered; their pixels stay where the tasks' images are. A method
    that does not declare the need gets none, and cannot keep any.
    """

    def __init__(self, stream: TaskStream, *, declared: bool) -> None:
        """Keep nothing yet of the tasks of ``stream``."""
        self._tasks = {task.name: task for task in stream.tasks}
        self._declared = declared
        self._kept: dict[str, Kept] = {}

    @property
    def images(self) -> int:
        """How many images are kept."""
        return sum(len(kept.rows) for kept in self._kept.values())

    @property
    def bytes(self) -> int:
        """What they take, see :class:`Kept`."""
        return sum(kept.bytes for kept in self._kept.values())

    def open(
        self,
        task: Task,
        normalise: Pixels,
        batch_size: int,
        generator: torch.Generator,
        *,
        cropped: bool,
        keeper: PassKeeper | None = None,
    ) -> TrainingTask:
        """``task`` as the method sees it, what is kept of earlier ones with it.

        ``generator`` is left as it is: the task's own images come in the order in which every other
        method sees them. The arguments are those of ``TrainingTask``.
        """
        make = partial(TrainingTask, normalise=normalise, batch_size=batch_size, cropped=cropped)
        if not self._declared:
            return make(task, generator=generator, keeper=keeper)
        earlier = tuple(
            make(self._part(name), generator=_generator(generator, name), earlier=())
            for name in self._kept
        )
        return make(task, generator=generator, earlier=earlier, keeper=keeper)

    def _part(self, name: str) -> Task:
        """A task with the images that are kept of it alone."""
        task = self._tasks[name]
        return replace(task, train=task.train.subset(self._kept[name].rows))

    def close(self, training: TrainingTask) -> None:
        """End a task that ``open`` gave out, and keep what the method chose of it and of others."""
        training.close()
        if not self._declared:
            return
        for task in training.earlier:
            if task.kept is not None:
                self._keep(task, self._kept[task.name].rows[task.kept])
        if training.kept is not None:
            self._keep(training, training.kept)

    def _keep(self, task: TrainingTask, rows: Tensor) -> None:
        if len(rows) == 0:
            self._kept.pop(task.name, None)
        else:
            images = self._tasks[task.name].train
            self._kept[task.name] = Kept(rows, _bytes(images, rows, task.cropped))

    def state_dict(self) -> dict[str, Any]:
        """What is kept, as plain values, so that it does not count as parameters; empty if nothing."""
        kept = [[name, of.rows.tolist(), of.bytes] for name, of in self._kept.items()]
        return {KEY: kept} if kept else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Undo ``state_dict``; what is left in ``state`` is what the method saved."""
        kept = state.pop(KEY, [])
        self._kept = {name: Kept(torch.tensor(rows), size) for name, rows, size in kept}


def _generator(of_task: torch.Generator, name: str) -> torch.Generator:
    """One for the kept images of task ``name`` while another is learned; draws nothing from its."""
    digest = hashlib.sha256(f"{of_task.initial_seed()}/{name}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4]))


def _bytes(images: Images, rows: Tensor, cropped: bool) -> int:
    """Of some images, as 8-bit pixels."""
    if not cropped or images.original is None:
        return len(rows) * images.pixels[0].numel()
    sizes = (images.original(row).size for row in rows.tolist())
    return sum(3 * width * height for width, height in sizes)
