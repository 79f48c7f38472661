"""How well what was learned is kept."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.sequence import draw_lines, legend_below, line_legend
from cl_bench.reports.plots.series import Series, series
from cl_bench.reports.plots.style import ZERO_SHOT_LINE, group_title, new_figure, set_title
from cl_bench.reports.plots.zero_shot import zero_shot_curves, zero_shot_label
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.row import Row

KEPT = "mean of the tasks learned so far"
LOST = "best so far minus now, mean of earlier tasks"


@in_style
def draw_forgetting(group: Group, look: Look = SCREEN) -> Figure | None:
    """Mean accuracy of the tasks learned so far, and how much of it was forgotten.

    ``None`` where no method is ranked or a single task was learned.
    """
    shown, count = series(group), len(group.config.tasks)
    if not shown or count < 2:
        return None
    figure = new_figure(look.width(11.2, fits_a_column=False), 2.6 if look.paper else 4.2)
    left, right = _panels(figure, shown, zero_shot_label(group), look)
    known, forgotten = range(1, count + 1), range(2, count + 1)
    draw_lines(left, shown, [(known, curve(s.row, "last", known)) for s in shown])
    for curve_ in zero_shot_curves(group):
        left.plot(known, np.cumsum(curve_) / known, **ZERO_SHOT_LINE)
    draw_lines(right, shown, [(forgotten, curve(s.row, "forgetting", forgotten)) for s in shown])
    right.axhline(0, **ZERO_SHOT_LINE)
    what = "What is kept of what was learned"
    if look.paper:
        left.set_ylabel("accuracy (%)")
        right.set_ylabel("forgetting (points)")
        what += f"; left: {KEPT}; right: {LOST}"
    else:
        left.set(title=f"Accuracy, {KEPT}", ylabel="accuracy (%)")
        right.set(title=f"Forgetting: {LOST}", ylabel="points")
    for axes in (left, right):
        axes.set_xlabel("tasks learned")
        axes.grid(axis="y")
        axes.set_xticks(range(1, count + 1, max(1, count // 10)))
    set_title(figure, group_title(what, group), look)
    return figure


def _panels(
    figure: Figure, shown: tuple[Series, ...], zero_shot: str, look: Look
) -> tuple[Axes, Axes]:
    """Two panels; who is who stands right of them, in a paper below."""
    if look.paper:
        left, right = figure.subplots(1, 2)
        legend_below(figure, shown, zero_shot)
        return left, right
    left, right, legend = figure.subplots(1, 3, width_ratios=(4, 4, 2.4))
    legend.axis("off")
    line_legend(legend, shown, zero_shot)
    return left, right


def curve(row: Row, metric: str, after: range) -> NDArray[np.float64]:
    """A metric over the tasks learned until then, the mean over seeds, for every ``after``."""
    values = [[run.matrix.after(n).so_far()[metric] for n in after] for run in row.runs]
    mean: NDArray[np.float64] = np.array(values).mean(axis=0)
    return mean
