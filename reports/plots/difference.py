"""Where on the matrix one method is better than another."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from cl_bench.reports.numbers import signed
from cl_bench.reports.plots.heat_map import cells_figure
from cl_bench.reports.plots.series import mean_matrix, row_labels
from cl_bench.reports.plots.style import group_title, in_style
from cl_bench.reports.runs.group import Group, Row

SMALLEST_SPAN = 5.0  # points; below, noise would be painted in full colours


@in_style()
def draw_difference(group: Group, row: Row, other: Row) -> Figure:
    """The accuracies of ``row`` minus those of ``other``, each the mean over its seeds.

    Colours diverge from white: green where ``row`` is better, brown where ``other`` is.
    """
    difference = mean_matrix(row) - mean_matrix(other)
    span = max(SMALLEST_SPAN, float(np.abs(difference).max()))
    labels = row_labels(group)
    one, two = labels[row.label], labels[other.label]
    what = f"{one} minus {two}, means over seeds; green: {one} is better, brown: {two}"
    return cells_figure(
        difference, group.config.tasks, group_title(what, group), "difference (points)",
        image={"cmap": "BrBG", "vmin": -span, "vmax": span},
        texts=[[signed(value).replace("-", "−") for value in values] for values in difference],
        dark=np.abs(difference) > 0.68 * span,
    )  # fmt: skip
