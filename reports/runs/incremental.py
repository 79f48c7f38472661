"""Accuracy over all classes seen so far, of runs that are evaluated so."""

from __future__ import annotations

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.group import ALL_TASKS, Group, Row


def is_incremental(group: Group) -> bool:
    """Whether test images are classified over the classes of the tasks learned so far."""
    return group.config.protocol.labels == "seen"


def incremental_curves(row: Row) -> list[tuple[float, ...]]:
    """Of every seed, the accuracy over all test images of learned tasks, after each task.

    Empty for a model that saw all tasks from the start: it has learned none of them first.
    """
    return [] if ALL_TASKS in row.runs[0].config.extra_data else [_curve(run) for run in row.runs]


def _curve(run: RunResult) -> tuple[float, ...]:
    images = run.targets()
    return run.matrix.incremental([len(images[task]) for task in run.matrix.tasks])
