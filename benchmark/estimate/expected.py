"""What a run is expected to take: seconds and work by phase, memory and disk."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.estimate.rehearsal import Parts
from cl_bench.benchmark.estimate.shapes import Amounts

PHASES = ("start", "prepare", "train", "consolidate", "evaluate", "save")
PICTURE = 65_000  # bytes of the matrix as a picture


@dataclass(frozen=True)
class TaskSize:
    """How large a task of a run is.

    Attributes:
        train: images that are trained on.
        test: images that are classified after every task.
        steps: of the optimizer.
        prompts: that its test images are classified by, in the mean over the rows; 0 where another task
            stands for them.
    """

    train: int
    test: int
    steps: int
    prompts: int


def by_phase(
    parts: Sequence[Parts], tasks: Sequence[TaskSize], batch_size: int
) -> dict[str, Amounts]:
    """What the phases of a whole run take, in the unit of ``parts``.

    Args:
        parts: of the start with the zero-shot row, then of every task.
        tasks: in their order.
        batch_size: of training.
    """
    first, *learned = parts
    prompts, images = sum(t.prompts for t in tasks), sum(t.test for t in tasks)
    total = {phase: 0 * first["start"] for phase in PHASES[:-1]} | {"start": first["start"]}
    for of in parts:
        total["evaluate"] = total["evaluate"] + prompts * of["prompts"] + images * of["image"]
    for of, task in zip(learned, tasks, strict=True):
        batches = task.train / batch_size
        for phase in ("prepare", "consolidate"):
            amount = of[phase] + batches * of[f"{phase} batch"]
            total[phase] = total[phase] + np.maximum(amount, 0)
        if "step" in of:
            total["train"] = total["train"] + of["first step"] + task.steps * of["step"]
    return total


def memory_peak(
    parts: Sequence[Parts], recipe: Recipe, largest: int, averaged: bool = False
) -> int:
    """Bytes of tensors at the peak: what is held, gradients, moments, and what a step or an image takes.

    Args:
        parts: of the start, then of every task, in bytes.
        recipe: whose optimizer keeps moments.
        largest: bytes of the operation that handles the most.
        averaged: whether clients are: then the server's numbers are held, too, and sums of twice their size.
    """
    kept = _moments(recipe) + (3 if averaged else 0)
    each = (of["held"] + (1 + kept) * of["trainable"] + of["saved"] for of in parts[1:])
    return int(max(amount[0] for amount in each)) + largest


def _moments(recipe: Recipe) -> int:
    """Numbers that the optimizer keeps for each that trains."""
    return 2 if recipe.optimizer != "sgd" else int(recipe.momentum > 0)


def bytes_of_image(parts: Sequence[Parts]) -> float:
    """Bytes that a step takes for each image of its batch; arguments as above."""
    return float(max(of["saved image"][0] for of in parts[1:]))


def record_bytes(tasks: Sequence[TaskSize], classes: int) -> int:
    """Bytes of a run's files beside its checkpoint: predictions, targets, log, matrix, provenance.

    Args:
        tasks: of the run.
        classes: of its largest label space.
    """
    bits = math.log2(max(classes, 2))
    row = sum(220 + task.test * bits / 8 for task in tasks)  # compressed, with a zip's headers
    rows = len(tasks) + 2  # zero-shot, after every task, and the true classes
    log = sum(150 * math.ceil(task.steps / 10) + 2_500 for task in tasks)
    return int(rows * row + log + 10_000)
