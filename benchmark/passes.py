"""Passes over a task's images that methods make for themselves, e.g. for gradients or statistics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from torch import Tensor

from cl_bench.benchmark.processes.group import size
from cl_bench.benchmark.processes.sums import add_up
from cl_bench.benchmark.rows import WHOLE
from cl_bench.benchmark.task import Batch, Pass

T = TypeVar("T")


def all_added(total: T) -> T:
    """Add a total, or every one of a list of them, to those of the other processes, in place."""
    if isinstance(total, Tensor):
        add_up(total)
    elif isinstance(total, Sequence):
        for part in total:
            all_added(part)
    else:
        raise TypeError(f"say how {type(total).__name__} of several processes are put together")
    return total


def summed(
    batches: Iterable[Batch],
    add: Callable[[T, Batch], T],
    start: T,
    together: Callable[[T], T] = all_added,
) -> tuple[T, int]:
    """Add up what the batches contribute.

    Several processes share the batches of a task's pass: each adds up its own, and the totals of all are put
    together. Where there are more processes than batches, or the batches are no pass, each adds up all.

    A run that is broken off within a pass may go on within it. So what ``add`` changes is in the total, and it
    draws no random numbers.

    Args:
        batches: the pass.
        add: from the total so far and a batch to the total with the batch, changed in place or new.
        start: the total of no batches, which adds nothing to another total: a tensor, an object with
            ``state_dict`` and ``load_state_dict``, or lists and mappings of them.
        together: from this process's total to that of all processes; by default totals are tensors, or
            lists of them, and are added.

    Returns:
        The total and the number of batches, the same in every process.
    """
    if isinstance(batches, Pass) and batches.keeper is not None and size() == 1:
        return batches.keeper.added_up(batches, add, start), len(batches)
    if not isinstance(batches, Pass) or len(batches) < size():
        return _looped(batches, add, start)
    with WHOLE.used():  # the processes have different batches: their rows do not belong together
        total, _ = _looped(batches.own(), add, start)
    return together(total), len(batches)


def _looped(batches: Iterable[Batch], add: Callable[[T, Batch], T], total: T) -> tuple[T, int]:
    """The total of some batches, one after the other, and how many there are."""
    count = 0
    for batch in batches:
        total, count = add(total, batch), count + 1
    return total, count
