"""Every class of a run with rare classes or tasks: its training images, and how well it is known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from statistics import fmean
from typing import Literal

import numpy as np

from cl_bench.benchmark.matrix import accuracy
from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.row import Row

Frequency = Literal["many", "medium", "few"]
Moment = Literal["zero_shot", "learned", "last"]
FREQUENCIES: tuple[Frequency, ...] = ("many", "medium", "few")
MOMENTS: tuple[Moment, ...] = ("zero_shot", "learned", "last")


@dataclass(frozen=True)
class OfClass:
    """A class of a run.

    Attributes:
        task: that it belongs to.
        name: of the class.
        train: images of it that were trained on.
        test: its test images.
        frequency: whether it is among those with many, a medium number or few training images.
        accuracies: per cent of its test images that are classified rightly: zero-shot, right after its task
            was learned, and after the last task; ``None`` without test images.
    """

    task: str
    name: str
    train: int
    test: int
    frequency: Frequency
    accuracies: dict[Moment, float | None]


def is_imbalanced(group: Group) -> bool:
    """Whether classes or tasks were made rare in a group's runs."""
    return group.config.protocol.is_imbalanced


def classes_of(run: RunResult) -> tuple[OfClass, ...]:
    """Every class of a finished run whose manifest counts them, in the order of its tasks."""
    counted = [c.train for task in run.config.tasks for c in run.manifest.classes[task]]
    frequencies = iter(thirds(counted))
    return tuple(
        OfClass(task, name, train, test, next(frequencies), accuracies)
        for task, name, train, test, accuracies in _classes(run)
    )


def thirds(counts: Sequence[int]) -> list[Frequency]:
    """Many, medium or few: thirds of the classes by their numbers of images.

    Classes of equally many images are in one part: that of their mean rank.
    """
    values = np.array(counts)
    more = np.array([(values > n).sum() for n in counts])
    alike = np.array([(values == n).sum() for n in counts])
    middle = (more + alike / 2) / len(values)  # of the ranks, from 0 to 1
    return ["many" if at < 1 / 3 else "few" if at > 2 / 3 else "medium" for at in middle]


def mean_accuracy(classes: Sequence[OfClass], frequency: Frequency, moment: Moment) -> float | None:
    """The mean over the classes that are so frequent, each counted once; ``None`` if there are none."""
    found = [c.accuracies[moment] for c in classes if c.frequency == frequency]
    known = [value for value in found if value is not None]
    return fmean(known) if known else None


Parts = dict[tuple[Frequency, Moment], tuple[float, ...]]


def part_accuracies(row: Row) -> Parts:
    """The accuracy of every part at every moment, seed by seed."""
    runs = [classes_of(run) for run in row.runs]
    found: Parts = {}
    for frequency, moment in product(FREQUENCIES, MOMENTS):
        values = (mean_accuracy(classes, frequency, moment) for classes in runs)
        found[frequency, moment] = tuple(value for value in values if value is not None)
    return found


def _classes(
    run: RunResult,
) -> Iterator[tuple[str, str, int, int, dict[Moment, float | None]]]:
    """Task, name, training images, test images and accuracies of every class."""
    indices, targets, tasks = run.class_indices(), run.targets(), run.config.tasks
    first, end = run.predictions(0), run.predictions(len(tasks))
    for learned, task in enumerate(tasks, start=1):
        moments = zip(
            MOMENTS, (first[task], run.predictions(learned)[task], end[task]), strict=True
        )
        predicted = dict(moments)
        for index, (name, train) in zip(indices[task], run.manifest.classes[task], strict=True):
            own = targets[task] == index
            right = {
                m: accuracy(of[own] == index) if own.any() else None for m, of in predicted.items()
            }
            yield task, name, train, int(own.sum()), right
