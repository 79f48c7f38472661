"""What a method keeps of a task must be finite: else it would be used, and kept, without a word."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from cl_bench.benchmark.errors import NotFiniteError
from cl_bench.benchmark.finite import first_not_finite


def must_be_finite(of: Mapping[str, Tensor], task: str) -> None:
    """Check statistics of a task; waits for the device once.

    Args:
        of: what each statistic is, in words -> the statistic, of any shape.
        task: the task's name.

    Raises:
        NotFiniteError: one of them holds an infinite number or none; names it and the task.
    """
    if (what := first_not_finite(of)) is not None:
        raise NotFiniteError(f"{what} is not finite on task {task!r}")
