"""Accuracy over all classes seen so far, of rows that are evaluated so."""

from __future__ import annotations

from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.row import ALL_TASKS, Row


def is_incremental(group: Group) -> bool:
    """Whether test images are classified over the classes of the tasks learned so far."""
    return group.config.protocol.labels == "seen"


def incremental_curves(row: Row) -> list[tuple[float, ...]]:
    """Of every seed, the accuracy over all test images of learned tasks, after each task.

    Empty for a model that saw all tasks from the start: it has learned none of them first.
    """
    every_task = ALL_TASKS in row.runs[0].config.extra_data
    return [] if every_task else [run.incremental for run in row.runs]
