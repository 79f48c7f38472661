"""The classes that each task's test images are classified over, and the true class of every image."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import torch
from numpy.typing import NDArray

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.task import LabelSpace, TaskStream

MOST_CLASSES = 2**16  # as_stored


def label_spaces(
    protocol: Protocol, stream: TaskStream
) -> tuple[dict[str, LabelSpace], dict[str, torch.Tensor]]:
    """Per task, the classes that its test images are classified over, and their true classes there.

    Args:
        protocol: whether those are the task's own classes or all tasks'.
        stream: the tasks.

    Returns:
        By task name: the label space, and int64 [N] indices into it.

    Raises:
        UserError: a label space has more classes than predictions are kept of.
    """
    spaces, targets = _label_spaces(protocol, stream)
    for name, space in spaces.items():
        if (count := len(space.classnames)) > MOST_CLASSES:
            raise UserError(
                f"the images of {name} would be classified over {count:,} classes; at most "
                f"{MOST_CLASSES:,} are possible"
            )
    return spaces, targets


def _label_spaces(
    protocol: Protocol, stream: TaskStream
) -> tuple[dict[str, LabelSpace], dict[str, torch.Tensor]]:
    first = protocol.prompts == "first"
    own = {t.name: t.labels.first_prompts() if first else t.labels for t in stream.tasks}
    if protocol.labels == "own":
        return own, {t.name: t.test.targets for t in stream.tasks}
    sizes = [len(space.classnames) for space in own.values()]
    starts = dict(zip(own, accumulate(sizes, initial=0), strict=False))
    union = LabelSpace.union(list(own.values()))
    return dict.fromkeys(own, union), {
        t.name: t.test.targets + starts[t.name] for t in stream.tasks
    }


def as_stored(classes: torch.Tensor) -> NDArray[np.uint16]:
    """Class indices as they are kept; a label space has at most ``MOST_CLASSES``."""
    return classes.numpy().astype(np.uint16)
