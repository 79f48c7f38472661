"""What the backbone reaches before anything is learned, in a group of runs."""

from __future__ import annotations

from statistics import fmean

from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.metrics import BEFORE
from cl_bench.reports.runs.numbers import plain
from cl_bench.reports.runs.row import Row

Accuracies = tuple[float, ...]


def zero_shot_rows(group: Group) -> tuple[Accuracies, ...]:
    """The zero-shot accuracies of the group's finished runs, in the order of the tasks, each once.

    One row where all agree. Under the preset ``paper`` every method has its own prompts, so that
    there are several; another device may change single images.
    """
    return tuple(sorted({run.matrix.zero_shot for row in group.rows for run in row.runs}))


def rows_beside_zero_shot(group: Group) -> list[Row]:
    """All rows but the bound that never left zero-shot, which is a line; it stays where it is alone."""
    kept = [row for row in group.rows if not (row.bound and row.untrained)]
    return kept or list(group.rows)


def zero_shot_range(group: Group, metric: str) -> tuple[float, float] | None:
    """Lowest and highest zero-shot mean over the tasks of a metric; ``None`` where it has none.

    Args:
        group: with at least one finished run.
        metric: ``transfer`` leaves out the first task; all others are over all tasks.
    """
    rows = [row[1:] if metric == "transfer" else row for row in zero_shot_rows(group)]
    means = [fmean(row) for row in rows if row]
    return (min(means), max(means)) if means else None


def zero_shot_beside(group: Group, metric: str) -> tuple[float, float] | None:
    """Lowest and highest value of a metric beside the matrix before anything was learned; ``None``: it has none."""
    if metric not in BEFORE:
        return None
    values = [value for row in group.rows for value in row.values(BEFORE[metric])]
    return (min(values), max(values)) if values else None


def range_in_words(ends: tuple[float, float] | None) -> str:
    """``72.8``, or ``71.9 to 72.8`` where it differs between the runs."""
    if ends is None:
        return "-"
    low, high = map(plain, ends)
    return low if low == high else f"{low} to {high}"
