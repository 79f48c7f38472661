"""What becomes of a long stream along its tasks: accuracies so far, time, memory, protected dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.sequence import close, draw_lines, layout, legend_below, line_legend
from cl_bench.reports.plots.series import Series, series
from cl_bench.reports.plots.style import (
    ZERO_SHOT_LINE,
    group_title,
    name_panel,
    new_figure,
    set_title,
)
from cl_bench.reports.plots.zero_shot import zero_shot_curves, zero_shot_label
from cl_bench.reports.runs.along import QUANTITIES, along, is_long
from cl_bench.reports.runs.group import Group

WHAT = "accuracies so far, cost and protected dimensions"


@in_style
def draw_along(group: Group, look: Look = SCREEN) -> Figure | None:
    """One panel for each quantity that a method's runs hold; ``None`` for short streams."""
    shown = series(group)
    if not shown or not is_long(group):
        return None
    found = {
        name: known
        for name in QUANTITIES
        if (known := [(s, curve) for s in shown if (curve := along(s.row, name))])
    }
    across, down = layout(len(found) + (0 if look.paper else 1))
    height = 1.4 * down + 0.9 if look.paper else 2.4 * down + 0.9
    figure = new_figure(look.width(2.9 * across + 0.4, fits_a_column=False), height)
    panels = figure.subplots(down, across, sharex=True, squeeze=False).ravel()
    for (name, curves), axes in zip(found.items(), panels, strict=False):
        _panel(axes, curves)
        _mark_zero_shot(axes, name, group)
        name_panel(axes, QUANTITIES[name].title, look, loc="left")
    close(panels, len(found), across)
    if look.paper:
        legend_below(figure, shown, zero_shot_label(group))
    else:
        line_legend(panels[len(found)], shown, zero_shot_label(group))
    figure.supxlabel("tasks learned")
    set_title(figure, group_title(f"Along {len(group.config.tasks)} tasks: {WHAT}", group), look)
    return figure


def _mark_zero_shot(axes: Axes, name: str, group: Group) -> None:
    """What a model that learned nothing would have, where an accuracy is shown."""
    known = range(1, len(group.config.tasks) + 1)
    for zero_shot in zero_shot_curves(group):
        if name == "transfer":
            axes.axhline(zero_shot[1:].mean(), **ZERO_SHOT_LINE)
        if name == "last":
            axes.plot(known, np.cumsum(zero_shot) / known, **ZERO_SHOT_LINE)


def _panel(axes: Axes, curves: list[tuple[Series, list[float]]]) -> None:
    tasks = range(1, len(curves[0][1]) + 1)
    lines: list[tuple[Sequence[int], np.ndarray]] = [(tasks, np.array(of)) for _, of in curves]
    draw_lines(axes, tuple(s for s, _ in curves), lines, max(1, len(tasks) // 8))
    axes.grid(axis="y")
    axes.set_xticks(range(0, len(tasks) + 1, max(1, ceil(len(tasks) / 6))))
