"""Last, data set by data set, of a few methods."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes

from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.sequence import legend_below, line_legend
from cl_bench.reports.plots.series import mean_matrix, series
from cl_bench.reports.plots.style import ZERO_SHOT_LINE, group_title, new_figure, set_title
from cl_bench.reports.plots.zero_shot import zero_shot_curves, zero_shot_label
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import clip, one_line, short_names

LONGEST_NAME = 20  # characters
MOST = 4  # methods; the outlines of more cannot be told apart
FEWEST_TASKS = 5  # with fewer spokes, dots say it better


@in_style
def draw_radar(group: Group, look: Look = SCREEN) -> Figure | None:
    """One spoke per data set: accuracy after the last task of the best methods, and zero-shot.

    ``None`` where no method is ranked or there are fewer than five tasks.
    """
    shown = tuple(s for s in series(group, MOST) if s.line)
    longest = look.clipped(LONGEST_NAME)
    names = [clip(one_line(name), longest) for name in short_names(group.config.tasks)]
    if not shown or len(names) < FEWEST_TASKS:
        return None
    figure = new_figure(look.width(8.6, fits_a_column=True), 3.4 if look.paper else 5.6)
    grid = figure.add_gridspec(
        1, 1 if look.paper else 2, width_ratios=None if look.paper else (3, 1.2)
    )
    axes = figure.add_subplot(grid[0], projection="polar")
    assert isinstance(axes, PolarAxes)
    angles = np.linspace(0, 2 * np.pi, len(names) + 1)
    curves = [mean_matrix(s.row)[-1] for s in shown]
    zero_shot = zero_shot_curves(group)
    for one, curve in zip(shown, curves, strict=True):
        axes.plot(angles, [*curve, curve[0]], **one.style())
    for curve in zero_shot:
        axes.plot(angles, [*curve, curve[0]], **ZERO_SHOT_LINE)
    lowest = min(float(c.min()) for c in [*curves, *zero_shot])
    inner = max(0, int(lowest // 10) * 10 - 10)
    _spokes(axes, angles[:-1], names, inner, look)
    if look.paper:
        legend_below(figure, shown, zero_shot_label(group), columns=1)
    else:
        legend = figure.add_subplot(grid[1])
        legend.axis("off")
        line_legend(legend, shown, zero_shot_label(group))
    best = "method" if len(shown) == 1 else f"{len(shown)} methods"
    what = (
        f"Last (%) of each data set: the {best} with the highest Average, and zero-shot; "
        f"the centre is {inner} %"
    )
    set_title(figure, group_title(what, group), look)
    return figure


def _spokes(axes: PolarAxes, angles: np.ndarray, names: list[str], inner: int, look: Look) -> None:
    """Names outside, each flush with its spoke; rings from ``inner`` to 100 %."""
    axes.set_theta_offset(np.pi / 2)
    axes.set_theta_direction(-1)
    axes.set_ylim(inner, 100)
    axes.set_xticks(angles, names)
    for angle, label in zip(angles, axes.get_xticklabels(), strict=True):
        side = np.sin(angle)
        label.set(ha="center" if abs(side) < 0.1 else "left" if side > 0 else "right")
    axes.tick_params(axis="x", pad=2)
    axes.set_yticks(range(inner + 20, 101, 20))
    axes.set_rlabel_position(float(np.degrees(angles[1]) / 2))
    axes.tick_params(axis="y", labelsize=look.small, labelcolor="#555555")
