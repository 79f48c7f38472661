"""Zero-shot as a dotted line: one where all runs of a group agree, else the lowest and the highest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_bench.reports.plots.style import ZERO_SHOT_LINE
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import first_row
from cl_bench.reports.runs.zero_shot import zero_shot_rows


def zero_shot_label(group: Group) -> str:
    """What the dotted line is called."""
    if len(zero_shot_rows(group)) > 1:
        return f"{first_row(group.config)} (differs between runs: lowest and highest)"
    return first_row(group.config)


def mark_zero_shot(line: Callable[..., Any], ends: tuple[float, float]) -> None:
    """Draw it across the axes.

    Args:
        line: ``axes.axvline`` or ``axes.axhline``.
        ends: lowest and highest accuracy in per cent.
    """
    for value in sorted(set(ends)):
        line(value, **ZERO_SHOT_LINE)


def zero_shot_curves(group: Group) -> NDArray[np.float64]:
    """Accuracy of each task, [1, T]; [2, T] where runs differ: lowest and highest of every task."""
    rows = np.array(zero_shot_rows(group))
    return rows if len(rows) == 1 else np.array([rows.min(axis=0), rows.max(axis=0)])
