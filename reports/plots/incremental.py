"""Accuracy over all classes seen so far, over the sequence of tasks."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.sequence import draw_lines, legend_below, line_legend
from cl_bench.reports.plots.series import series
from cl_bench.reports.plots.style import group_title, new_figure, set_title
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.incremental import incremental_curves, is_incremental

WHAT = "Accuracy over the classes seen so far, on all their test images"


@in_style
def draw_incremental(group: Group, look: Look = SCREEN) -> Figure | None:
    """One line per method, the mean over seeds, after each task.

    ``None`` where images are classified over other classes or no method is ranked.
    """
    shown = series(group) if is_incremental(group) else ()
    curves = [np.array(incremental_curves(s.row)).mean(axis=0) for s in shown]  # [T] each
    if not curves:
        return None
    steps = range(1, len(curves[0]) + 1)
    figure = new_figure(look.width(8.4, fits_a_column=True), 2.4 if look.paper else 4.2)
    axes, beside = (
        (figure.subplots(), None) if look.paper else figure.subplots(1, 2, width_ratios=(3, 1))
    )
    draw_lines(axes, shown, [(steps, curve) for curve in curves], max(1, len(steps) // 10))
    axes.set_xlabel("tasks learned")
    axes.set_ylabel("accuracy (%)")
    axes.grid(axis="y")
    if beside is None:
        legend_below(figure, shown, None)
    else:
        beside.axis("off")
        line_legend(beside, shown, None)
    set_title(figure, group_title(WHAT, group), look)
    return figure
