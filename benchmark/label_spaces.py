"""The classes that each task's test images are classified over, and the true class of every image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cl_bench.benchmark.classified_over import Labels, classified_over
from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.namesakes import indices_of
from cl_bench.benchmark.task import LabelSpace, TaskStream

MOST_CLASSES = 2**16  # as_stored


@dataclass(frozen=True)
class LabelSpaces:
    """What is chosen between, and which choice is right.

    A class is counted by its place among the classes of its task, where each task is classified over its
    own; else by its place among those of all tasks in their order. So it is counted alike after every task.

    Attributes:
        labels: ``own``, ``seen`` or ``all``, as :class:`Protocol` has it.
        own: by task, in the order in which they are learned, its classes.
        counts_as: by task, how each of its classes is counted, int64 [C]; classes that stand for one
            another are counted as one.
        targets: by task, the true classes of its test images, so counted, int64 [N].
    """

    labels: Labels
    own: Mapping[str, LabelSpace]
    counts_as: Mapping[str, torch.Tensor]
    targets: Mapping[str, torch.Tensor]

    def after(self, learned: int) -> dict[str, LabelSpace]:
        """By task, what its test images are classified over when ``learned`` tasks are learned.

        Tasks with the same classes have one and the same label space.
        """
        between = {task: self._between(task, learned) for task in self.own}
        spaces = {
            tasks: LabelSpace.union([self.own[task] for task in tasks])
            for tasks in dict.fromkeys(between.values())
        }
        return {task: spaces[tasks] for task, tasks in between.items()}

    def counted(
        self, predicted: Mapping[str, torch.Tensor], learned: int
    ) -> dict[str, torch.Tensor]:
        """Classes chosen when ``learned`` tasks were learned, as targets are counted.

        Args:
            predicted: by task, indices into the classes of ``after(learned)``, int64 [N].
            learned: how many tasks.

        Returns:
            By task, int64 [N].
        """
        return {task: self.choices(task, learned)[of] for task, of in predicted.items()}

    def choices(self, task: str, learned: int) -> torch.Tensor:
        """How every class of ``after(learned)[task]`` is counted, int64 [C]."""
        return torch.cat([self.counts_as[other] for other in self._between(task, learned)])

    def _between(self, task: str, learned: int) -> tuple[str, ...]:
        """The tasks whose classes are chosen between."""
        return classified_over(task, tuple(self.own), learned, self.labels)


def label_spaces(protocol: Protocol, stream: TaskStream) -> LabelSpaces:
    """The classes that each task's test images are classified over, and their true classes there.

    Args:
        protocol: whether those are the task's own classes, those of the tasks learned so far, or all tasks'.
        stream: the tasks.

    Raises:
        UserError: a label space has more classes than predictions are kept of.
    """
    first = protocol.prompts == "first"
    own = {t.name: t.labels.first_prompts() if first else t.labels for t in stream.tasks}
    names = {task: space.classnames for task, space in own.items()}
    indices = indices_of(names, protocol.labels, protocol.namesakes)
    counts_as = {task: torch.tensor(of) for task, of in indices.items()}
    targets = {t.name: counts_as[t.name][t.test.targets] for t in stream.tasks}
    made = LabelSpaces(protocol.labels, own, counts_as, targets)
    for name, space in made.after(len(own)).items():
        if (count := len(space.classnames)) > MOST_CLASSES:
            raise UserError(
                f"the images of {name} would be classified over {count:,} classes; at most "
                f"{MOST_CLASSES:,} are possible"
            )
    return made


def as_stored(classes: torch.Tensor) -> NDArray[np.uint16]:
    """Class indices as they are kept; a label space has at most ``MOST_CLASSES``."""
    return classes.numpy().astype(np.uint16)
