"""What a method may keep of a task's images, and what it is told where it may not."""

from __future__ import annotations

import torch
from torch import Tensor

from cl_bench.benchmark.errors import UserError

NEED = '"earlier images"'


def chosen(indices: Tensor, count: int, task: str) -> Tensor:
    """Check which of a task's ``count`` images are to be kept, int64 [k]; returns them on the CPU.

    Raises:
        ValueError: there are no such images, or one is named twice.
    """
    rows = indices.detach().cpu().clone()
    if rows.ndim != 1 or rows.dtype != torch.int64:
        raise ValueError(f"the images of {task} to keep are not int64 indices in one dimension")
    if not bool(((rows >= 0) & (rows < count)).all()):
        raise ValueError(f"{task} has images 0 to {count - 1}; others are to be kept")
    if len(rows.unique()) < len(rows):
        raise ValueError(f"an image of {task} is to be kept twice")
    return rows


def undeclared(task: str) -> UserError:
    """For a method that does not say what it uses."""
    return UserError(
        f"while it learns {task}, the method asks for images of earlier tasks, or to keep some for "
        f"later, and does not say so: let its Config.needs() name {NEED}"
    )


def over(task: str) -> UserError:
    """For a method that holds on to a task behind its end."""
    return UserError(
        f"{task} is over and its images are asked for: keep those that later tasks need, with "
        f"TrainingTask.keep, and let Config.needs() name {NEED}"
    )
