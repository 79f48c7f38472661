"""Classes of one name in several tasks, where an image is classified over the classes of all. No torch."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence


def plain(name: str) -> str:
    """A class's name as a text tower reads it: without case, ``_`` and ways to write an accent or a space."""
    return " ".join(unicodedata.normalize("NFC", name.replace("_", " ")).lower().split())


def counted_as(classnames: Sequence[str]) -> list[int]:
    """For every class the index of the first that has its name."""
    first: dict[str, int] = {}
    return [first.setdefault(plain(name), i) for i, name in enumerate(classnames)]


def meet(tasks: Sequence[Sequence[str]]) -> bool:
    """Whether a class of one task has the name of another task's; of each task, its class names."""
    names = [{plain(name) for name in task} for task in tasks]
    return len(set().union(*names)) < sum(map(len, names))
