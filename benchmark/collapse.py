"""When an accuracy is at chance, and which accuracies fell there with the last task. No torch."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.records.events import Collapsed

LEVEL = 0.01  # of the one-sided test whether an accuracy is above chance
Classes = Mapping[str, NDArray[np.uint16]]


@dataclass(frozen=True)
class Standing:
    """Where the accuracy on a data set stands to chance.

    Attributes:
        accuracy: in per cent.
        chance: what is reached without looking at the images, in per cent.
        images: how many there are.
        is_at: ``chance``, ``above`` it, or ``unknown`` where too few images would tell.
    """

    accuracy: float
    chance: float
    images: int
    is_at: Literal["above", "chance", "unknown"]


def standing(predicted: NDArray[np.uint16], true: NDArray[np.uint16]) -> Standing:
    """Compare the predictions [N] for a data set's images with guesses.

    Chance is the larger of two: 1/C of C classes, and the share of right answers to be expected if the
    predictions were as frequent as they are but did not depend on the image. So a model that always
    answers one class is at chance, however frequent that class is. The accuracy is above chance where a
    one-sided binomial test says so at the 1 % level; it is unknown where even an accuracy halfway
    between chance and 100 % would not be.
    """
    classes, counts = np.unique(true, return_counts=True)
    n, right = len(true), int((predicted == true).sum())
    shares = np.array([np.count_nonzero(predicted == c) for c in classes]) / n
    chance = max(1 / len(classes), float(shares @ (counts / n)))
    if len(classes) == 1 or _tail(math.ceil((1 + chance) / 2 * n), n, chance) > LEVEL:
        is_at: Literal["above", "chance", "unknown"] = "unknown"
    else:
        is_at = "chance" if _tail(right, n, chance) > LEVEL else "above"
    return Standing(100.0 * right / n, 100.0 * chance, n, is_at)


def _tail(right: int, images: int, chance: float) -> float:
    """The probability of so many right guesses, or more."""
    from scipy.special import bdtrc  # takes a moment to import

    return float(bdtrc(right - 1, images, chance)) if right > 0 else 1.0


def standings(predicted: Classes, true: Classes) -> dict[str, Standing]:
    """Of every data set that ``predicted`` holds, by name."""
    return {name: standing(of, true[name]) for name, of in predicted.items()}


def collapses(
    learned: int,
    tasks: Sequence[str],
    rows: tuple[Mapping[str, Standing], Mapping[str, Standing], Mapping[str, Standing]],
    all_at_once: bool = False,
) -> Iterator[Collapsed]:
    """What the last task did: it was learned at chance, or others fell to it.

    A task that was at chance already is not said again, and one that was there from the start cannot fall.

    Args:
        learned: how many tasks are learned, at least 1.
        tasks: of the run, in their order; other names are held-out sets.
        rows: after that task, before it, and before anything was learned.
        all_at_once: whether every task was learned from the start.
    """
    now, before, first = rows
    places = {task: place for place, task in enumerate(tasks, start=1)}
    for name, of in now.items():
        kind = _kind(places.get(name), learned, all_at_once)
        fell = before[name].is_at == "above"
        stood = kind == "forgotten" or first[name].is_at == "above"
        if of.is_at == "chance" and (kind == "learned" or (fell and stood)):
            yield Collapsed(
                learned=learned, task=name, kind=kind,
                accuracy=of.accuracy, chance=of.chance, images=of.images,
            )  # fmt: skip


def _kind(place: int | None, learned: int, all_at_once: bool) -> str:
    """What a data set is to the tasks learned so far."""
    if place is None:
        return "held-out"
    if place == learned:
        return "learned"
    return "forgotten" if place < learned or all_at_once else "zero-shot"
