"""Metrics image by image: what each test image adds to Transfer, Average and Last."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import accuracy
from cl_bench.benchmark.record import RunResult

Shares = tuple[NDArray[np.float32], ...]  # per task, [n] values between 0 and 1


@dataclass(frozen=True)
class RunOutcomes:
    """A run image by image.

    A test image's outcome is the share of the evaluations behind a metric in which it was classified
    right, so that the metric is the mean over tasks of the mean over images.

    Attributes:
        tasks: of the run, in their order.
        shares: metric -> per task, the outcome of every test image; Transfer has no first task.
        trained: whether learning changed any accuracy; without, no seed can.
        images: digest of the true classes, equal where the test images are the same.
    """

    tasks: tuple[str, ...]
    shares: Mapping[str, Shares]
    trained: bool
    images: str


@dataclass(frozen=True)
class Outcomes:
    """One metric of one row, image by image.

    Attributes:
        tasks: the J tasks of the metric.
        images: per task, the outcome of every test image, float64 [n_j], the mean over seeds.
        seeds: the metric on every task for every seed, float64 [k, J], in per cent.
        flips: per task, the variance of its mean over seeds that comes from single images that
            change from seed to seed, float64 [J], in squared points.
        trained: whether learning changed any accuracy.
    """

    tasks: tuple[str, ...]
    images: tuple[NDArray[np.float64], ...]
    seeds: NDArray[np.float64]
    flips: NDArray[np.float64]
    trained: bool


def outcomes_of(run: RunResult) -> RunOutcomes:
    """A finished run image by image, from its predictions.

    Raises:
        UserError: predictions are missing or damaged, or do not give the run's accuracies.
    """
    true, T = run.targets(), len(run.matrix.tasks)
    right: list[list[NDArray[np.bool_]]] = []  # after 1..T tasks, of every task's images
    for learned in range(1, T + 1):
        predicted = run.predictions(learned)
        try:
            right.append([predicted[task] == true[task] for task in run.matrix.tasks])
        except (KeyError, ValueError) as error:
            where = run.path / "predictions"
            raise UserError(f"{where} does not hold every task: {error}") from error
        again = tuple(accuracy(of_task) for of_task in right[-1])
        if again != run.matrix.rows[learned - 1]:
            raise UserError(
                f"{run.path}: its accuracies after {learned} tasks do not follow from its predictions"
            )
    shares = {
        "transfer": tuple(_share(right[:j], j) for j in range(1, T)),
        "average": tuple(_share(right, j) for j in range(T)),
        "last": tuple(_share(right[-1:], j) for j in range(T)),
    }
    trained = set(run.matrix.rows) != {run.matrix.zero_shot}
    sha = hashlib.sha256(b"".join(true[task].tobytes() for task in run.matrix.tasks))
    return RunOutcomes(run.matrix.tasks, shares, trained, sha.hexdigest())


def _share(right: Sequence[Sequence[NDArray[np.bool_]]], task: int) -> NDArray[np.float32]:
    """In which part of the evaluations each image of a task was classified right, [n]."""
    share: NDArray[np.float32] = np.mean([row[task] for row in right], axis=0, dtype=np.float32)
    return share


def gather(runs: Sequence[RunOutcomes], metric: str) -> Outcomes:
    """One metric of a row, from its runs; of a single task, Transfer has none."""
    per_task = [
        np.array(shares, dtype=np.float64)  # [k, n]
        for shares in zip(*(run.shares[metric] for run in runs), strict=True)
    ]
    k = len(runs)
    return Outcomes(
        tasks=runs[0].tasks[len(runs[0].tasks) - len(per_task) :],
        images=tuple(shares.mean(axis=0) for shares in per_task),
        seeds=np.array([100 * shares.mean(axis=1) for shares in per_task]).T,
        flips=np.array([_flips(shares) for shares in per_task])
        if k > 1
        else np.zeros(len(per_task)),
        trained=any(run.trained for run in runs),
    )


def _flips(shares: NDArray[np.float64]) -> float:
    """Of [k, n] outcomes: the variance that n images drawn for each seed alone would cause."""
    k, n = shares.shape
    return float(100.0**2 * shares.var(axis=0, ddof=1).mean() / (k * n))
