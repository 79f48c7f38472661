"""Passes over a task's images that methods make for themselves, e.g. for gradients or statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from cl_bench.benchmark.task import Batch

T = TypeVar("T")


def summed(batches: Iterable[Batch], add: Callable[[T, Batch], T], start: T) -> tuple[T, int]:
    """Add up what the batches contribute, one after the other.

    Where the batches of a pass are shared among processes, each process adds up its own here, and
    here the totals of all are put together.

    Args:
        batches: the pass.
        add: from the total so far and a batch to the total with the batch; may change it in place.
        start: the total of no batches.

    Returns:
        The total and the number of batches.
    """
    total, count = start, 0
    for batch in batches:
        total, count = add(total, batch), count + 1
    return total, count
