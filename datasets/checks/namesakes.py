"""Classes that have the same name in several tasks, and what this means for X-TAIL's accuracies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cl_bench.benchmark.namesakes import counted_as
from cl_bench.datasets.checks.prompts import near, prompts_of, same_tokens
from cl_bench.datasets.task_spec import TaskSpec

SHOWN = 10
ONE = "classes of one name in several tasks, which count as one class: each is right for the others' images"
NEVER = (
    "classes with the same prompt as a class of an earlier task, which is predicted in their place, so "
    "that all their test images count as wrong (0 %)"
)
CONFUSED = (
    "classes of one name in several tasks, with other prompts; an image that is taken for its namesake "
    "counts as wrong"
)


@dataclass(frozen=True)
class _Class:
    name: str
    task: str
    prompts: tuple[str, ...]


def namesakes(
    tasks: Sequence[TaskSpec], ensemble: bool, backbone: str, rule: str | None
) -> tuple[str, ...]:
    """Say what classes of one name mean for accuracies over the classes of all tasks.

    Args:
        tasks: in the order in which they are learned.
        ensemble: whether all prompts of a class are used, or its first alone.
        backbone: whose tokenizer reads them.
        rule: ``one``: classes of one name count as one; else apart.

    Returns:
        One sentence on classes that count as one; of the others, one on those whose prompts are the same,
        and one on those whose names alone are.
    """
    classes = [
        _Class(name, task.name, prompts if ensemble else prompts[:1])
        for task in tasks
        for name, prompts in zip(task.classnames, prompts_of(task), strict=True)
    ]
    one = counted_as([c.name for c in classes]) if rule == "one" else list(range(len(classes)))
    merged = _merged(classes, one)
    classes = [c for i, c in enumerate(classes) if one[i] == i]
    never: list[str] = []
    confused: list[str] = []
    for suspects in near([one.name for one in classes]):
        group = [classes[i] for i in suspects]
        if len({one.task for one in group}) > 1:
            never += _never_predicted(group, backbone)
            confused += _confused(group, backbone)
    return (*_sentence(ONE, merged), *_sentence(NEVER, never), *_sentence(CONFUSED, confused))


def _merged(classes: Sequence[_Class], one: Sequence[int]) -> list[str]:
    """The classes that others count as, with the tasks of all."""
    tasks: dict[int, list[str]] = {}
    for c, first in zip(classes, one, strict=True):
        tasks.setdefault(first, []).append(c.task)
    return [f"{classes[i].name!r} ({', '.join(of)})" for i, of in tasks.items() if len(of) > 1]


def _never_predicted(group: Sequence[_Class], backbone: str) -> list[str]:
    found = []
    for alike in same_tokens([one.prompts for one in group], backbone):
        first, *others = (group[i] for i in alike)
        found += [f"{one.name!r} of {one.task} (as in {first.task})" for one in others]
    return found


def _confused(group: Sequence[_Class], backbone: str) -> list[str]:
    repeated = {i for alike in same_tokens([o.prompts for o in group], backbone) for i in alike[1:]}
    apart = [one for i, one in enumerate(group) if i not in repeated]
    return [
        f"{apart[alike[0]].name!r} ({', '.join(apart[i].task for i in alike)})"
        for alike in same_tokens([(one.name,) for one in apart], backbone)
    ]


def _sentence(words: str, found: Sequence[str]) -> tuple[str, ...]:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return (f"{words}: {', '.join(found[:SHOWN])}{more}",) if found else ()
