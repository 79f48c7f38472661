"""How well what was learned is kept."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cl_bench.reports.plots.sequence import draw_lines, line_legend
from cl_bench.reports.plots.series import series
from cl_bench.reports.plots.style import (
    ZERO_SHOT_LINE,
    group_title,
    in_style,
    new_figure,
    set_title,
)
from cl_bench.reports.plots.zero_shot import zero_shot_curves, zero_shot_label
from cl_bench.reports.runs.group import Group, Row


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
    known, forgotten = range(1, count + 1), range(2, count + 1)
    draw_lines(left, shown, [(known, curve(s.row, "last", known)) for s in shown])
    for curve_ in zero_shot_curves(group):
        left.plot(known, np.cumsum(curve_) / known, **ZERO_SHOT_LINE)
    draw_lines(right, shown, [(forgotten, curve(s.row, "forgetting", forgotten)) for s in shown])
    right.axhline(0, **ZERO_SHOT_LINE)
    left.set(title="Accuracy, mean of the tasks learned so far", ylabel="accuracy (%)")
    right.set(title="Forgetting: best so far minus now, mean of earlier tasks", ylabel="points")
    for axes in (left, right):
        axes.set_xlabel("tasks learned")
        axes.grid(axis="y")
        axes.set_xticks(range(1, count + 1, max(1, count // 10)))
    legend.axis("off")
    line_legend(legend, shown, zero_shot_label(group))
    set_title(figure, group_title("What is kept of what was learned", group))
    return figure


def curve(row: Row, metric: str, after: range) -> NDArray[np.float64]:
    """A metric over the tasks learned until then, the mean over seeds, for every ``after``."""
    values = [[run.matrix.after(n).so_far()[metric] for n in after] for run in row.runs]
    mean: NDArray[np.float64] = np.array(values).mean(axis=0)
    return mean
