"""Which tasks' classes an image is classified over. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Labels = Literal["own", "seen", "all"]
Named = Literal["mtil", "seen", "x-tail"]
LABELS_OF: dict[Named, Labels] = {"mtil": "own", "seen": "seen", "x-tail": "all"}  # --protocol
PROTOCOL_OF: dict[Labels, Named] = {labels: name for name, labels in LABELS_OF.items()}


def classified_over(
    task: str, tasks: Sequence[str], learned: int, labels: Labels
) -> tuple[str, ...]:
    """The tasks whose classes a test image of ``task`` is classified over, in the order of their classes.

    Args:
        task: the image's own.
        tasks: all tasks in the order in which they are learned.
        learned: how many of them are learned.
        labels: ``own``: its own task's classes. ``all``: those of all tasks. ``seen``: those of the tasks
            that are learned (class-incremental evaluation, Rebuffi et al. 2017, arXiv 1611.07725); where
            its own task is not among them, its classes come last, so that it can be right at all.
    """
    if labels == "own":
        return (task,)
    if labels == "all":
        return tuple(tasks)
    seen = tuple(tasks[:learned])
    return seen if task in seen else (*seen, task)
