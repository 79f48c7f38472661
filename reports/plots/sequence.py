"""Accuracy of each data set over the sequence of tasks."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.series import Series, mean_matrix, series
from cl_bench.reports.plots.style import (
    OTHERS,
    ZERO_SHOT_LINE,
    add_legend,
    group_title,
    name_panel,
    new_figure,
    set_title,
)
from cl_bench.reports.plots.zero_shot import mark_zero_shot, zero_shot_curves, zero_shot_label
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import clip, first_row, one_line, short_names

WHAT = "Accuracy of each data set over the sequence; every panel has its own scale"
READING = "0: {first}; vertical line: this data set"
LONGEST_NAME = 26  # characters
LEGEND = "highest Average first"
ACROSS = (4, 5, 3)  # panels; of equally many empty places the first is taken


@in_style
def draw_sequence(group: Group, look: Look = SCREEN) -> Figure | None:
    """One panel per data set: its accuracy before anything was learned and after each task.

    The methods with the highest Average have a line of their own, the others are grey; a vertical line
    marks when the data set itself was learned. ``None`` where no method is ranked.
    """
    shown = series(group)
    if not shown:
        return None
    tasks, reading = short_names(group.config.tasks), READING.format(first=first_row(group.config))
    across, down = layout(len(tasks) + (0 if look.paper else 1))
    height = 1.2 * down + 0.8 if look.paper else 1.9 * down + 0.9
    figure = new_figure(look.width(2.7 * across + 0.4, fits_a_column=False), height)
    panels = figure.subplots(down, across, sharex=True, squeeze=False).ravel()
    matrices, zero_shot = [mean_matrix(s.row) for s in shown], zero_shot_curves(group)
    for j, (name, axes) in enumerate(zip(tasks, panels, strict=False)):
        _panel(axes, shown, [m[:, j] for m in matrices], zero_shot[:, j])
        axes.axvline(j + 1, color="#888888", linewidth=0.8, zorder=1)
        words = f"{j + 1}  {clip(one_line(name), look.clipped(LONGEST_NAME))}"
        name_panel(axes, words, look, loc="left")
    close(panels, len(tasks), across)
    if look.paper:
        legend_below(figure, shown, zero_shot_label(group))
        for axes in panels[(down - 1) * across : len(tasks)]:
            axes.set_xlabel("tasks learned")
        for axes in panels[::across]:
            axes.set_ylabel("accuracy (%)")
    else:
        line_legend(panels[len(tasks)], shown, zero_shot_label(group))
        figure.supxlabel(f"tasks learned ({reading})")
        figure.supylabel("accuracy (%)")
    set_title(figure, group_title(f"{WHAT}; {reading}" if look.paper else WHAT, group), look)
    return figure


def layout(panels: int) -> tuple[int, int]:
    """So many panels across and down, with the fewest empty places; up to five in one line."""
    if panels <= max(ACROSS):
        return panels, 1
    across = min(ACROSS, key=lambda n: -panels % n)
    return across, ceil(panels / across)


def close(panels: NDArray[np.object_], used: int, across: int) -> None:
    """Leave the places behind the used ones empty, and number the axis of all that have none below them."""
    for axes in panels[used:]:
        axes.axis("off")
    for axes in panels[max(0, used - across) : used]:
        axes.tick_params(labelbottom=True)


def _panel(
    axes: Axes,
    shown: tuple[Series, ...],
    columns: list[np.ndarray],
    zero_shot: NDArray[np.float64],
) -> None:
    steps = range(len(columns[0]))
    every = max(1, len(steps) // 5)
    mark_zero_shot(axes.axhline, (zero_shot.min(), zero_shot.max()))
    draw_lines(axes, shown, [(steps, column) for column in columns], every)
    axes.grid(axis="y")
    axes.set_xticks(range(0, len(steps), max(1, ceil(len(steps) / 6))))


def draw_lines(
    axes: Axes,
    shown: tuple[Series, ...],
    curves: list[tuple[Sequence[int], np.ndarray]],
    every: int = 1,
) -> None:
    """One curve per series: the others thin and grey below, the best on top of all."""
    for i, (one, (x, y)) in enumerate(zip(shown, curves, strict=True)):
        if one.line is None:
            dot = "." if len(x) == 1 else ""  # a line through one point shows nothing
            axes.plot(x, y, color=OTHERS, linewidth=0.9, marker=dot, zorder=1.5)
        else:
            axes.plot(x, y, **one.style(every), zorder=4 - 0.1 * i)


def line_legend(where: Axes, shown: tuple[Series, ...], zero_shot: str | None) -> None:
    """Who is who, in the middle of a panel of its own; ``None``: zero-shot is not in the picture."""
    handles, labels = _entries(shown, zero_shot, 26)
    add_legend(
        where, handles, labels, loc="center left", handlelength=3.2,
        title=LEGEND, title_fontsize=8, alignment="left",
    )  # fmt: skip


def legend_below(
    figure: Figure, shown: tuple[Series, ...], zero_shot: str | None, columns: int = 3
) -> None:
    """Who is who, below all panels."""
    handles, labels = _entries(shown, zero_shot, 32)
    add_legend(
        figure, handles, labels, loc="outside lower center", ncols=columns, title=LEGEND,
        alignment="left",
    )  # fmt: skip


def _entries(
    shown: tuple[Series, ...], zero_shot: str | None, width: int
) -> tuple[list[Line2D], list[str]]:
    best = [s for s in shown if s.line is not None]
    handles = [Line2D([], [], **s.style()) for s in best]
    labels = [s.label for s in best]
    if len(shown) > len(best):
        handles.append(Line2D([], [], color=OTHERS))
        labels.append(f"{len(shown) - len(best)} other methods")
    if zero_shot is not None:
        handles.append(Line2D([], [], **ZERO_SHOT_LINE))
        labels.append(textwrap.fill(zero_shot, width))
    return handles, labels
