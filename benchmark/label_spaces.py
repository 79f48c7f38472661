"""The classes that each task's test images are classified over, and the true class of every image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.namesakes import indices_of
from cl_bench.benchmark.task import LabelSpace, TaskStream

MOST_CLASSES = 2**16  # as_stored


@dataclass(frozen=True)
class LabelSpaces:
    """What is chosen between, and which choice is right.

    Attributes:
        spaces: by task, the classes that its test images are classified over.
        targets: by task, their true classes there, int64 [N].
        one_of_each: for every class of the space that all tasks share, the first that has its name, int64
            [C]: it stands for all of them. ``None``: every class stands for itself.
    """

    spaces: Mapping[str, LabelSpace]
    targets: Mapping[str, torch.Tensor]
    one_of_each: torch.Tensor | None = None

    def counted(self, classes: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Classes by task, int64 [N], each as the one that stands for it."""
        one = self.one_of_each
        return {task: of if one is None else one[of] for task, of in classes.items()}


def label_spaces(protocol: Protocol, stream: TaskStream) -> LabelSpaces:
    """The classes that each task's test images are classified over, and their true classes there.

    Args:
        protocol: whether those are the task's own classes or all tasks'.
        stream: the tasks.

    Raises:
        UserError: a label space has more classes than predictions are kept of.
    """
    made = _label_spaces(protocol, stream)
    for name, space in made.spaces.items():
        if (count := len(space.classnames)) > MOST_CLASSES:
            raise UserError(
                f"the images of {name} would be classified over {count:,} classes; at most "
                f"{MOST_CLASSES:,} are possible"
            )
    return made


def _label_spaces(protocol: Protocol, stream: TaskStream) -> LabelSpaces:
    first = protocol.prompts == "first"
    own = {t.name: t.labels.first_prompts() if first else t.labels for t in stream.tasks}
    if protocol.labels == "own":
        return LabelSpaces(own, {t.name: t.test.targets for t in stream.tasks})
    union = LabelSpace.union(list(own.values()))
    names = {task: space.classnames for task, space in own.items()}
    indices = indices_of(names, protocol.labels, protocol.namesakes)
    return LabelSpaces(
        dict.fromkeys(own, union),
        {t.name: torch.tensor(indices[t.name])[t.test.targets] for t in stream.tasks},
        torch.tensor([i for of in indices.values() for i in of]),
    )


def as_stored(classes: torch.Tensor) -> NDArray[np.uint16]:
    """Class indices as they are kept; a label space has at most ``MOST_CLASSES``."""
    return classes.numpy().astype(np.uint16)
