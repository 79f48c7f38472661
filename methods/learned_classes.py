"""Classes of learned tasks, found again among the classes that an image is classified over."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.benchmark.task import LabelSpace

Names = tuple[str, ...]


def first_column(tasks: Sequence[Names], names: Names) -> int:
    """Where the columns of one of the tasks begin, which stand task after task."""
    return sum(map(len, tasks[: tasks.index(names)]))


def places(labels: LabelSpace, tasks: Sequence[Names]) -> dict[Names, int]:
    """Where each task's classes begin among ``labels``, as a whole; tasks that are not there are left out.

    Classes of one name in two tasks are two classes, as in the union of all tasks: no place of a task lies
    in that of another. Longer lists are placed first, so that one that is a part of another stays out of it.

    Args:
        labels: the classes of one task, or of several one after the other.
        tasks: the class names of learned tasks.
    """
    if labels.classnames in tasks:  # the task itself, whatever parts of it another task has
        return {labels.classnames: 0}
    found: dict[Names, int] = {}
    free = [True] * len(labels.classnames)
    for names in sorted(tasks, key=len, reverse=True):
        count = len(names)
        for first in range(len(free) - count + 1):
            here = slice(first, first + count)
            if all(free[here]) and labels.classnames[here] == names:
                found[names] = first
                free[here] = [False] * count
                break
    return found
