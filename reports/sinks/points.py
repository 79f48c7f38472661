"""What a dashboard shows of a run: its events as numbers on two axes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.records.events import (
    Collapsed,
    Evaluated,
    Event,
    Learned,
    Saved,
    Step,
)
from cl_bench.reports.runs.names import short_names

Axis = Literal["train/step", "task/learned"]


@dataclass(frozen=True)
class Point:
    """Some numbers at one place of an axis.

    Attributes:
        axis: ``train/step`` counts the optimizer steps of the whole stream, ``task/learned`` the
            tasks.
        at: the place.
        values: name -> number.
        curve: of the task being learned, ``<n>-<task>`` with its place in the order; else empty.
        step: of that task, from 1: the place of ``of_task``.
        of_task: name -> number of the task's own curves.
        alert: words for whoever is to be told at once; else empty.
    """

    axis: Axis
    at: int
    values: dict[str, float]
    curve: str = ""
    step: int = 0
    of_task: dict[str, float] = field(default_factory=dict)
    alert: str = ""


def points(config: RunConfig, events: Iterable[Event]) -> Iterator[Point]:
    """Translate events one by one; the same events give the same points.

    Args:
        config: of the run.
        events: from the run's first; others than those of learning say nothing here.
    """
    steps = [config.budget.steps[task] for task in config.tasks]
    before = dict(zip(config.tasks, accumulate(steps, initial=0), strict=False))
    shown = dict(zip(config.tasks, short_names(config.tasks), strict=True))
    named = dict(zip(config.tasks, curves(config), strict=True))
    place = {task: n for n, task in enumerate(config.tasks, start=1)}
    matrix: AccuracyMatrix | None = None
    for event in events:
        match event:
            case Step(task=task):
                yield _of_step(event, before[task] + event.step, place[task], named[task])
            case Learned():
                yield Point("task/learned", event.learned, _cost(event))
            case Saved():
                stored = event.model_dump(include={"stored_parameters", "bytes", "bytes_added"})
                values = {f"cost/{name}": value for name, value in stored.items()}
                yield Point("task/learned", event.learned, values)
            case Collapsed():
                name = shown.get(event.task, event.task)
                at_chance = {f"collapsed/{name}": event.accuracy}
                yield Point("task/learned", event.learned, at_chance, alert=event.words)
            case Evaluated():
                row = tuple(event.accuracies[task] for task in config.tasks)
                matrix = _extended(matrix, config.tasks, row)
                yield Point(
                    "task/learned",
                    event.learned,
                    {f"accuracy/{shown[task]}": a for task, a in event.accuracies.items()}
                    | {f"held_out/{name}": a for name, a in (event.held_out or {}).items()}
                    | {
                        f"retrieval/{name}/{recall}": value
                        for name, recalls in (event.retrieval or {}).items()
                        for recall, value in recalls.items()
                    }
                    | {f"metrics/{name}": value for name, value in matrix.so_far().items()}
                    | {"cost/evaluate_seconds": event.seconds},
                )


def _of_step(event: Step, at: int, place: int, curve: str) -> Point:
    """Loss and rate, over the steps of the stream and over those of the task."""
    own = {"loss": event.loss, "lr": event.lr}
    whole = {f"train/{name}": value for name, value in own.items()} | {"train/task": place}
    return Point("train/step", at, whole, curve, event.step, own)


def curves(config: RunConfig) -> list[str]:
    """What the curves of every task are called: ``1-DTD``, ``2-MNIST``, ..."""
    return [f"{n}-{name}" for n, name in enumerate(short_names(config.tasks), start=1)]


def _cost(event: Learned) -> dict[str, float]:
    names = {"images_drawn", "trainable_parameters", "step_flops", "matrix_gflops"}
    known = event.model_dump(include=names, exclude_none=True)  # older logs lack the operations
    return (
        {f"cost/{name}": value for name, value in known.items()}
        | {f"cost/{phase}_seconds": s for phase, s in event.seconds.items()}
        | {f"cost/peak_memory_{where}": m for where, m in event.peak_memory.items()}
        | {f"method/{name}": value for name, value in event.diagnostics.items()}
    )


def _extended(
    matrix: AccuracyMatrix | None, tasks: tuple[str, ...], row: tuple[float, ...]
) -> AccuracyMatrix:
    if matrix is None:
        return AccuracyMatrix(tasks, row, ())
    return AccuracyMatrix(tasks, matrix.zero_shot, (*matrix.rows, row))
