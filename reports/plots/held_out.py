"""What becomes of data sets that are never learned, over the sequence of tasks."""

from __future__ import annotations

from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.sequence import draw_lines, layout, legend_below, line_legend
from cl_bench.reports.plots.series import Series, series
from cl_bench.reports.plots.style import group_title, name_panel, new_figure, set_title
from cl_bench.reports.plots.zero_shot import mark_zero_shot, zero_shot_label
from cl_bench.reports.runs.group import Group, Row
from cl_bench.reports.runs.names import clip, first_row, one_line, short_names

WHAT = "Accuracy on held-out data sets, which are never learned; every panel has its own scale"
READING = "0: {first}"
LONGEST_NAME = 26  # characters


@in_style
def draw_held_out(group: Group, look: Look = SCREEN) -> Figure | None:
    """The mean over the held-out sets, then one panel per set: before anything was learned and after each task.

    ``None`` where the runs have no held-out sets or no method is ranked.
    """
    shown, names = series(group), tuple(group.config.held_out)
    if not shown or not names:
        return None
    curves = {name: [_curve(s.row, name) for s in shown] for name in names}
    if len(names) > 1:
        mean = [np.mean([curves[name][i] for name in names], axis=0) for i in range(len(shown))]
        curves = {f"mean of {len(names)} sets": mean, **curves}
    titles = [*list(curves)[: len(curves) - len(names)], *short_names(names)]
    across, down = layout(len(curves) + (0 if look.paper else 1))
    height = 1.4 * down + 0.9 if look.paper else 2.4 * down + 0.9
    figure = new_figure(look.width(3.4 * across + 0.4, fits_a_column=False), height)
    panels = figure.subplots(down, across, sharex=True, squeeze=False).ravel()
    for title, lines, axes in zip(titles, curves.values(), panels, strict=False):
        _panel(axes, shown, lines)
        name_panel(axes, clip(one_line(title), look.clipped(LONGEST_NAME)), look, loc="left")
    for axes in panels[len(curves) :]:
        axes.axis("off")
    reading = READING.format(first=first_row(group.config))
    _explain(figure, panels, shown, zero_shot_label(group), reading, len(curves), look)
    set_title(figure, group_title(f"{WHAT}; {reading}" if look.paper else WHAT, group), look)
    return figure


def _explain(
    figure: Figure,
    panels: NDArray[np.object_],
    shown: tuple[Series, ...],
    zero_shot: str,
    reading: str,
    used: int,
    look: Look,
) -> None:
    """Say who is who, and what the axes are."""
    if look.paper:
        legend_below(figure, shown, zero_shot)
        figure.supxlabel("tasks learned")
    else:
        line_legend(panels[used], shown, zero_shot)
        figure.supxlabel(f"tasks learned ({reading})")
    figure.supylabel("accuracy (%)")


def _curve(row: Row, name: str) -> NDArray[np.float64]:
    """The accuracy on a set, the mean over seeds, [1 + T]."""
    mean: NDArray[np.float64] = np.array(row.held_out_curve(name)).mean(axis=1)
    return mean


def _panel(axes: Axes, shown: tuple[Series, ...], lines: list[NDArray[np.float64]]) -> None:
    steps = range(len(lines[0]))
    before = [line[0] for line in lines]
    mark_zero_shot(axes.axhline, (min(before), max(before)))
    draw_lines(axes, shown, [(steps, line) for line in lines], max(1, len(steps) // 5))
    axes.grid(axis="y")
    axes.set_xticks(range(0, len(steps), max(1, ceil(len(steps) / 6))))
