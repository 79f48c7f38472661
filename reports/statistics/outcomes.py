"""Metrics image by image: what each test image adds to every metric that has verdicts.

A metric is the mean over its parts (tasks, held-out sets, retrieval sets) of the mean over their images
of an outcome. Of an image of task j, of T:

    Transfer     share of the evaluations before j is learned that are right   (no first task)
    Average      share of all T evaluations that are right
    Last         whether the last evaluation is right
    held-out     the same as Last, of an image of a held-out set
    retrieval    half of: whether one of the picture's captions comes first; and half of the share of its
                 captions whose picture comes first, weighted by the picture's number of captions
    incremental  n_j sum_{m >= j} right_m / N_m, with N_m images in the first m tasks
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import accuracy
from cl_bench.benchmark.record import RECALL_AT, WAYS, RunResult, recall_name

Arrays = Mapping[str, NDArray[Any]]  # by part: a class per image, a rank, or a picture per caption
Right = Sequence[Mapping[str, NDArray[np.bool_]]]  # after 0..T tasks, of every part's images
Shares = Mapping[str, NDArray[np.float32]]  # by part, the outcome of every image, [n]


@dataclass(frozen=True)
class MetricOutcomes:
    """One metric of one run, image by image.

    Attributes:
        shares: by part, the outcome of every image, so that the metric is the mean of the parts' means.
        trained: whether learning changed anything that the metric is about; without, no seed can.
    """

    shares: Shares
    trained: bool


@dataclass(frozen=True)
class RunOutcomes:
    """A run image by image.

    Attributes:
        metrics: every metric that the run has; Transfer is without parts where there is one task.
        images: digest of what is true, equal where the test images are the same.
    """

    metrics: Mapping[str, MetricOutcomes]
    images: str


@dataclass(frozen=True)
class Outcomes:
    """One metric of one row, image by image.

    Attributes:
        tasks: the J parts of the metric: tasks, or sets that are no tasks.
        images: per part, the outcome of every image, float64 [n_j], the mean over seeds.
        seeds: the metric on every part for every seed, float64 [k, J], in per cent.
        flips: per part, the variance of its mean over seeds that comes from single images that
            change from seed to seed, float64 [J], in squared points.
        trained: whether learning changed anything that the metric is about.
    """

    tasks: tuple[str, ...]
    images: tuple[NDArray[np.float64], ...]
    seeds: NDArray[np.float64]
    flips: NDArray[np.float64]
    trained: bool


def outcomes_of(run: RunResult) -> RunOutcomes:
    """A finished run image by image, from its predictions and ranks.

    Raises:
        UserError: predictions or ranks are missing or damaged, or do not give the run's numbers.
    """
    true = [_ordered(run.targets(), run.matrix.tasks, run.path / "predictions")]
    right = _right(true[0], [run.predictions(n) for n in _rows(run)], run.path / "predictions")
    _must_give(run, "accuracies", right, (run.matrix.zero_shot, *run.matrix.rows))
    metrics = _of_tasks(run, right)
    if run.config.held_out:
        where = run.path / "held_out"
        true.append(_ordered(run.held_out_targets(), tuple(run.config.held_out), where))
        beside = _right(true[-1], [run.held_out_predictions(n) for n in _rows(run)], where)
        _must_give(run, "accuracies on held-out sets", beside, run.held_out.rows)
        metrics["held_out_last"] = MetricOutcomes(_shares(beside[-1]), _changed(beside))
    if run.config.retrieval:
        where = run.path / "retrieval"
        true.append(_ordered(run.retrieval_pictures(), tuple(run.config.retrieval), where))
        metrics["retrieval_last"] = _of_retrieval(run, true[-1])
    sha = hashlib.sha256(b"".join(of_part.tobytes() for of in true for of_part in of.values()))
    return RunOutcomes(metrics, sha.hexdigest())


def _rows(run: RunResult) -> range:
    """Numbers of tasks learned, 0 to T."""
    return range(len(run.matrix.tasks) + 1)


def _ordered(arrays: Arrays, parts: Sequence[str], where: Path) -> Arrays:
    """The arrays of these parts, in this order."""
    try:
        return {part: arrays[part] for part in parts}
    except KeyError as error:
        raise UserError(f"{where} does not hold every data set: {error}") from error


def _right(true: Arrays, rows: Sequence[Arrays], where: Path) -> Right:
    """Which images are classified right, by row and part."""
    ordered = [_ordered(of_row, tuple(true), where) for of_row in rows]
    try:
        return [{part: of[part] == true[part] for part in true} for of in ordered]
    except ValueError as error:
        raise UserError(f"{where} does not hold every image: {error}") from error


def _must_give(run: RunResult, what: str, right: Right, rows: Sequence[Sequence[float]]) -> None:
    if len(rows) != len(right):
        raise UserError(f"{run.path}: its log has {len(rows)} rows of {what}, not {len(right)}")
    for learned, (of_row, recorded) in enumerate(zip(right, rows, strict=True)):
        if tuple(accuracy(of_part) for of_part in of_row.values()) != tuple(recorded):
            raise UserError(
                f"{run.path}: its {what} after {learned} tasks do not follow from its files"
            )


def _of_tasks(run: RunResult, right: Right) -> dict[str, MetricOutcomes]:
    """Transfer, Average and Last; over the classes seen so far the incremental ones, too."""
    tasks, after = run.matrix.tasks, right[1:]
    trained = set(run.matrix.rows) != {run.matrix.zero_shot}
    of_metrics: dict[str, Shares] = {
        "transfer": {t: _share(after[:j], t) for j, t in enumerate(tasks) if j > 0},
        "average": {t: _share(after, t) for t in tasks},
        "last": _shares(after[-1]),
    }
    if run.config.protocol.labels == "seen":
        images = [len(after[0][task]) for task in tasks]
        every = np.cumsum(images)  # [T] N_m
        weights = {t: images[j] * (np.arange(len(tasks)) >= j) / every for j, t in enumerate(tasks)}
        of_metrics["incremental"] = {
            t: np.tensordot(w, [row[t] for row in after], axes=1).astype(np.float32)
            for t, w in weights.items()
        }
        whole = {t: len(tasks) * n / every[-1] for t, n in zip(tasks, images, strict=True)}
        of_metrics["incremental_last"] = {
            t: (whole[t] * after[-1][t]).astype(np.float32) for t in tasks
        }
    return {metric: MetricOutcomes(shares, trained) for metric, shares in of_metrics.items()}


def _of_retrieval(run: RunResult, pictures: Arrays) -> MetricOutcomes:
    """Recall at 1 after the last task, picture by picture, as the captions of one are no separate sample."""
    where, ways = run.path / "retrieval", tuple(WAYS)
    names = [f"{name}/{way}" for name in pictures for way in ways]
    ranks = [_ordered(run.retrieval_ranks(n), names, where) for n in _rows(run)]
    found = [{part: of <= RECALL_AT[0] for part, of in row.items()} for row in ranks]
    recorded = [
        run.retrieval.curve(n, recall_name(w, RECALL_AT[0])) for n in pictures for w in ways
    ]
    _must_give(run, "recalls at 1", found, list(zip(*recorded, strict=True)))
    shares = {}
    for name, of_captions in pictures.items():
        to_text, to_image = (found[-1][f"{name}/{way}"] for way in ways)
        if to_image.shape != of_captions.shape or of_captions.max() >= len(to_text):
            raise UserError(f"{where} holds ranks of other captions than {name} has")
        hits = np.bincount(of_captions, weights=to_image, minlength=len(to_text))  # [n]
        share = (to_text + hits * len(to_text) / len(to_image)) / 2
        shares[name] = share.astype(np.float32)
    return MetricOutcomes(shares, _changed(found))


def _share(right: Right, task: str) -> NDArray[np.float32]:
    """In which part of the evaluations each image of a task was classified right, [n]."""
    share: NDArray[np.float32] = np.mean([row[task] for row in right], axis=0, dtype=np.float32)
    return share


def _shares(right: Mapping[str, NDArray[np.bool_]]) -> Shares:
    return {part: of_part.astype(np.float32) for part, of_part in right.items()}


def _changed(right: Right) -> bool:
    """Whether any image was ever classified in another way, right or wrong, than before learning."""
    before = right[0]
    return any(not np.array_equal(row[part], before[part]) for row in right for part in before)


def gather(runs: Sequence[RunOutcomes], metric: str) -> Outcomes:
    """One metric of a row, from its runs; of a single task, Transfer has none."""
    of_runs = [run.metrics[metric] for run in runs]
    tasks = tuple(of_runs[0].shares)
    per_task = [
        np.array([of.shares[task] for of in of_runs], dtype=np.float64)  # [k, n]
        for task in tasks
    ]
    return Outcomes(
        tasks=tasks,
        images=tuple(shares.mean(axis=0) for shares in per_task),
        seeds=np.array([100 * shares.mean(axis=1) for shares in per_task]).T,
        flips=np.array([_flips(shares) for shares in per_task])
        if len(runs) > 1
        else np.zeros(len(per_task)),
        trained=any(of.trained for of in of_runs),
    )


def _flips(shares: NDArray[np.float64]) -> float:
    """Of [k, n] outcomes: the variance that n images drawn for each seed alone would cause."""
    k, n = shares.shape
    return float(100.0**2 * shares.var(axis=0, ddof=1).mean() / (k * n))
