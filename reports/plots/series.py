"""Which rows of a group stand out in a picture, and what they are called there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_bench.reports.plots.style import LINES
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import clip, one_line
from cl_bench.reports.runs.row import Row

LONGEST_LABEL = 32  # characters


@dataclass(frozen=True)
class Series:
    """One row of a group as lines show it.

    Attributes:
        row: whose accuracies.
        label: its name, short enough for a legend.
        line: its own colour, dash and marker, or ``None`` where it stands among the others.
    """

    row: Row
    label: str
    line: tuple[str, Any, str] | None

    def style(self, every: int = 1) -> dict[str, Any]:
        """Arguments for ``Axes.plot``; with a marker at every so-many-th point."""
        if self.line is None:
            return {}
        colour, dash, marker = self.line
        return {"color": colour, "linestyle": dash, "marker": marker, "markevery": every}


def series(group: Group, most: int = len(LINES)) -> tuple[Series, ...]:
    """The ranked rows of a group; the best by Average, at most so many, have a line of their own."""
    labels = row_labels(group)
    ranked = group.ranked
    lines = [*LINES[:most], *[None] * len(ranked)]
    return tuple(
        Series(row, labels[row.label], line) for row, line in zip(ranked, lines, strict=False)
    )


def row_labels(group: Group) -> dict[str, str]:
    """Every row's label, clipped; a number tells apart what the clipping made equal."""
    clipped = [clip(one_line(row.label), LONGEST_LABEL) for row in group.rows]
    times, seen = Counter(clipped), Counter[str]()
    labels = {}
    for row, short in zip(group.rows, clipped, strict=True):
        seen[short] += 1
        labels[row.label] = f"{short} #{seen[short]}" if times[short] > 1 else short
    return labels


def mean_matrix(row: Row) -> NDArray[np.float64]:
    """Zero-shot and the accuracies after each task, the mean over seeds, [1 + T, T]."""
    matrices = [(run.matrix.zero_shot, *run.matrix.rows) for run in row.runs]
    mean: NDArray[np.float64] = np.array(matrices).mean(axis=0)
    return mean
