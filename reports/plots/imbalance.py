"""How well classes with many, a medium number and few training images are known, method by method."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.reports.plots.dots import OTHER, draw_interval, name_rows
from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.style import group_title, name_panel, new_figure, set_title
from cl_bench.reports.plots.zero_shot import mark_zero_shot, zero_shot_label
from cl_bench.reports.runs.classes import (
    FREQUENCIES,
    Frequency,
    Parts,
    is_imbalanced,
    part_accuracies,
)
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.zero_shot import rows_beside_zero_shot
from cl_bench.reports.statistics.spread import Spread


@in_style
def draw_imbalance(group: Group, look: Look = SCREEN) -> Figure | None:
    """One panel per part of the classes; of every row the mean after the last task and right after learning.

    All panels have one scale. ``None`` where nothing was made rare or there is no row.
    """
    rows = rows_beside_zero_shot(group) if is_imbalanced(group) else []
    if not rows:
        return None
    height = 0.9 + 0.16 * len(rows) if look.paper else max(2.2, 1.5 + 0.26 * len(rows))
    figure = new_figure(look.width(11.0, fits_a_column=False), height)
    panels = figure.subplots(1, len(FREQUENCIES), sharex=True, sharey=True)
    parts = [part_accuracies(row) for row in rows]
    for axes, frequency in zip(panels, FREQUENCIES, strict=True):
        _panel(axes, parts, frequency)
        name_panel(axes, f"{frequency} training images", look)
    name_rows(panels[0], group, rows)
    what = (
        "Accuracy over the classes with many, a medium number and few training images; filled: after the last task, "
        f"with 95 % intervals over seeds, hollow: right after learning, dotted: {zero_shot_label(group)}"
    )
    set_title(figure, group_title(what, group), look)
    return figure


def _panel(axes: Axes, rows: Sequence[Parts], frequency: Frequency) -> None:
    for y, parts in enumerate(rows):
        last, learned = (Spread(parts[frequency, moment]) for moment in ("last", "learned"))
        draw_interval(axes, y, last, OTHER)
        if learned.mean is not None and last.mean is not None:
            axes.plot(
                learned.mean, y, "D", markersize=5, color=OTHER, markerfacecolor="white", zorder=3
            )
            axes.plot(last.mean, y, "o", markersize=4, color=OTHER, zorder=4)
    zero_shot = [
        mean for parts in rows if (mean := Spread(parts[frequency, "zero_shot"]).mean) is not None
    ]
    if zero_shot:
        mark_zero_shot(axes.axvline, (min(zero_shot), max(zero_shot)))
    axes.set_xlabel("accuracy (%)")
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)
