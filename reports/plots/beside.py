"""What becomes of data that is never learned over the sequence of tasks: a panel for every curve of the methods."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cl_bench.reports.plots.look import Look
from cl_bench.reports.plots.sequence import close, draw_lines, legend_below, line_legend
from cl_bench.reports.plots.series import Series
from cl_bench.reports.plots.style import group_title, name_panel, new_figure, set_title
from cl_bench.reports.plots.zero_shot import mark_zero_shot, zero_shot_label
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import clip, first_row, one_line, short_names

READING = "0: {first}"
LONGEST_NAME = 26  # characters
MOST_ACROSS = 3  # panels in a row

Panel = tuple[str, list[NDArray[np.float64]]]  # title; a line for every method, [1 + T]


def shown_names(names: Sequence[str], look: Look) -> list[str]:
    """What data sets are called above a panel."""
    return [clip(one_line(name), look.clipped(LONGEST_NAME)) for name in short_names(names)]


def draw_beside(
    group: Group,
    shown: tuple[Series, ...],
    curves: Sequence[Panel],
    what: str,
    axis: str,
    look: Look,
) -> Figure:
    """One panel per curve: before anything was learned and after each task.

    Args:
        group: the runs.
        shown: the methods, in the order of the lines.
        curves: what is drawn.
        what: the picture shows, in words.
        axis: what goes up, with its unit.
        look: of the picture.
    """
    reading = READING.format(first=first_row(group.config))
    across = min(MOST_ACROSS, len(curves))
    down = ceil(len(curves) / across)
    height = 1.4 * down + 0.9 if look.paper else 2.4 * down + 0.9
    beside = 0 if look.paper else 1  # the legend's column
    figure = new_figure(look.width(3.4 * (across + beside) + 0.4, fits_a_column=False), height)
    grid = figure.subplots(down, across + beside, sharex=True, squeeze=False)
    panels = grid[:, :across].ravel()
    for (title, lines), axes in zip(curves, panels, strict=False):
        _panel(axes, shown, lines)
        name_panel(axes, title, look, loc="left")
    close(panels, len(curves), across)
    if look.paper:
        legend_below(figure, shown, zero_shot_label(group))
        for axes in panels[max(0, len(curves) - across) : len(curves)]:
            axes.set_xlabel("tasks learned")  # one below all would be on the legend
    else:
        for axes in grid[:, across]:
            axes.axis("off")
        line_legend(grid[0, across], shown, zero_shot_label(group))
        figure.supxlabel(f"tasks learned ({reading})")
    figure.supylabel(axis)
    set_title(figure, group_title(f"{what}; {reading}" if look.paper else what, group), look)
    return figure


def _panel(axes: Axes, shown: tuple[Series, ...], lines: list[NDArray[np.float64]]) -> None:
    steps = range(len(lines[0]))
    before = [line[0] for line in lines]
    mark_zero_shot(axes.axhline, (min(before), max(before)))
    draw_lines(axes, shown, [(steps, line) for line in lines], max(1, len(steps) // 5))
    axes.grid(axis="y")
    axes.set_xticks(range(0, len(steps), max(1, ceil(len(steps) / 6))))
