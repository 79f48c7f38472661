"""Accuracy of each data set over the sequence of tasks."""

from __future__ import annotations

from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cl_bench.reports.plots.series import Series, mean_matrix, series
from cl_bench.reports.plots.style import (
    OTHERS,
    ZERO_SHOT_LINE,
    add_legend,
    group_title,
    in_style,
    new_figure,
    set_title,
)
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import clip, one_line, short_names

LONGEST_NAME = 26  # characters
ACROSS = 4  # panels


@in_style()
def draw_sequence(group: Group) -> Figure | None:
    """One panel per data set: its accuracy before anything was learned and after each task.

    The best methods by Average have a line of their own, the others are grey; a vertical line
    marks when the data set itself was learned. ``None`` where no method is ranked.
    """
    shown = series(group)
    if not shown:
        return None
    tasks = short_names(group.config.tasks)
    across = min(ACROSS, len(tasks) + 1)
    down = ceil((len(tasks) + 1) / across)
    figure = new_figure(2.7 * across + 0.4, 1.9 * down + 0.9)
    panels = figure.subplots(down, across, sharex=True, squeeze=False).ravel()
    matrices = [mean_matrix(s.row) for s in shown]
    for j, (name, axes) in enumerate(zip(tasks, panels, strict=False)):
        _panel(axes, shown, [m[:, j] for m in matrices])
        axes.axvline(j + 1, color="#888888", linewidth=0.8, zorder=1)
        axes.set_title(f"{j + 1}  {clip(one_line(name), LONGEST_NAME)}", loc="left")
    for axes in panels[len(tasks) :]:
        axes.axis("off")
    for axes in panels[max(0, len(tasks) - across) : len(tasks)]:
        axes.tick_params(labelbottom=True)
    line_legend(panels[len(tasks)], shown)
    figure.supxlabel("tasks learned (0: zero-shot; vertical line: this data set)", fontsize=9)
    figure.supylabel("accuracy (%)", fontsize=9)
    set_title(figure, group_title("Accuracy of each data set over the sequence", group))
    return figure


def _panel(axes: Axes, shown: tuple[Series, ...], columns: list[np.ndarray]) -> None:
    steps = range(len(columns[0]))
    every = max(1, len(steps) // 5)
    axes.plot(steps, [columns[0][0]] * len(steps), **ZERO_SHOT_LINE, zorder=2)
    draw_lines(axes, shown, [(steps, column) for column in columns], every)
    axes.grid(axis="y")
    axes.set_xticks(range(0, len(steps), max(1, ceil(len(steps) / 6))))


def draw_lines(
    axes: Axes, shown: tuple[Series, ...], curves: list[tuple[range, np.ndarray]], every: int = 1
) -> None:
    """One curve per series: the others thin and grey below, the best on top of all."""
    for i, (one, (x, y)) in enumerate(zip(shown, curves, strict=True)):
        if one.line is None:
            axes.plot(x, y, color=OTHERS, linewidth=0.9, zorder=1.5)
        else:
            axes.plot(x, y, **one.style(every), zorder=4 - 0.1 * i)


def line_legend(where: Axes, shown: tuple[Series, ...]) -> None:
    """Who is who, in the middle of a panel of its own."""
    best = [s for s in shown if s.line is not None]
    handles = [Line2D([], [], **s.style()) for s in best]
    labels = [s.label for s in best]
    if len(shown) > len(best):
        handles.append(Line2D([], [], color=OTHERS))
        labels.append(f"{len(shown) - len(best)} other methods")
    handles.append(Line2D([], [], **ZERO_SHOT_LINE))
    add_legend(
        where, handles, [*labels, "zero-shot"], loc="center left", handlelength=3.2,
        title="best by Average first", title_fontsize=8, alignment="left",
    )  # fmt: skip
