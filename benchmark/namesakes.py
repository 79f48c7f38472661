"""Classes of one name in several tasks, where an image is classified over the classes of all. No torch."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import islice


def plain(name: str) -> str:
    """A class's name as a text tower reads it: without case, ``_`` and ways to write an accent or a space."""
    return " ".join(unicodedata.normalize("NFC", name.replace("_", " ")).lower().split())


def counted_as(classnames: Sequence[str]) -> list[int]:
    """For every class the index of the first that has its name."""
    first: dict[str, int] = {}
    return [first.setdefault(plain(name), i) for i, name in enumerate(classnames)]


def indices_of(
    tasks: Mapping[str, Sequence[str]], labels: str, namesakes: str | None
) -> dict[str, list[int]]:
    """How true and predicted classes count each class of each task.

    Args:
        tasks: of each task, its class names; in the order of the stream.
        labels: ``own``: each task's classes by themselves; ``seen`` and ``all``: one after the other.
        namesakes: ``one``: all classes of one name as the first of them.
    """
    if labels == "own":
        return {task: list(range(len(names))) for task, names in tasks.items()}
    ordered = [name for names in tasks.values() for name in names]
    union = iter(counted_as(ordered) if namesakes == "one" else range(len(ordered)))
    return {task: list(islice(union, len(names))) for task, names in tasks.items()}


def meet(tasks: Sequence[Sequence[str]]) -> bool:
    """Whether a class of one task has the name of another task's; of each task, its class names."""
    names = [{plain(name) for name in task} for task in tasks]
    return len(set().union(*names)) < sum(map(len, names))
