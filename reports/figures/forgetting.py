"""How well what was learned is kept."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cl_bench.reports.figures.sequence import draw_lines, line_legend
from cl_bench.reports.figures.series import mean_matrix, series
from cl_bench.reports.figures.style import (
    ZERO_SHOT_LINE,
    group_title,
    in_style,
    new_figure,
    set_title,
)
from cl_bench.reports.runs.group import Group, Row

Values = NDArray[np.float64]


@in_style()
def draw_forgetting(group: Group) -> Figure | None:
    """Mean accuracy of the tasks learned so far, and how much of it was forgotten.

    ``None`` where no method is ranked or a single task was learned.
    """
    shown, count = series(group), len(group.config.tasks)
    if not shown or count < 2:
        return None
    figure = new_figure(11.2, 4.2)
    left, right, legend = figure.subplots(1, 3, width_ratios=(4, 4, 2.4))
    known = [known_so_far(mean_matrix(s.row)[1:]) for s in shown]
    draw_lines(left, shown, [(range(1, count + 1), y) for y in known])
    zero_shot = np.array(mean_matrix(shown[0].row)[0])
    left.plot(range(1, count + 1), np.cumsum(zero_shot) / np.arange(1, count + 1), **ZERO_SHOT_LINE)
    forgotten = [np.mean([forgotten_so_far(m) for m in _matrices(s.row)], axis=0) for s in shown]
    draw_lines(right, shown, [(range(2, count + 1), y) for y in forgotten])
    right.axhline(0, **ZERO_SHOT_LINE)
    left.set(title="Accuracy, mean of the tasks learned so far", ylabel="accuracy (%)")
    right.set(title="Forgetting: best so far minus now, mean of earlier tasks", ylabel="points")
    for axes in (left, right):
        axes.set_xlabel("tasks learned")
        axes.grid(axis="y")
        axes.set_xticks(range(1, count + 1, max(1, count // 10)))
    legend.axis("off")
    line_legend(legend, shown)
    set_title(figure, group_title("What is kept of what was learned", group))
    return figure


def _matrices(row: Row) -> list[Values]:
    return [np.array(run.matrix.rows) for run in row.runs]


def known_so_far(rows: Values) -> Values:
    """After each task, the mean accuracy of all tasks learned until then, [T, T] -> [T]."""
    return np.array([row[: i + 1].mean() for i, row in enumerate(rows)])


def forgotten_so_far(rows: Values) -> Values:
    """After tasks 2 to T, the mean over earlier tasks of the best so far minus now, [T, T] -> [T-1].

    The last value is ``AccuracyMatrix``'s forgetting (Chaudhry et al. 2018, arXiv 1801.10112).
    """
    curve = []
    for i in range(1, len(rows)):
        best = [rows[j:i, j].max() for j in range(i)]
        curve.append(float(np.mean(best - rows[i, :i])))
    return np.array(curve)
