"""Where on the matrix one method is better than another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from cl_bench.reports.plots.heat_map import cells_figure
from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.series import mean_matrix, row_labels
from cl_bench.reports.plots.style import group_title
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.numbers import signed
from cl_bench.reports.runs.row import Row

RIVALS = 3  # with how many of the next the highest is compared cell by cell
SMALLEST_SPAN = 5.0  # points; below, noise would be painted in full colours


def rivals(group: Group) -> list[tuple[Row, Row]]:
    """The row with the highest Average and each of those that follow it."""
    ranked = group.ranked
    return [(ranked[0], other) for other in ranked[1 : RIVALS + 1]]


def shared_span(groups: Sequence[Group]) -> float:
    """The largest difference of any cell of any such picture, in points: one scale for a report."""
    cells = [
        float(np.abs(mean_matrix(row) - mean_matrix(other)).max())
        for group in groups
        for row, other in rivals(group)
    ]
    return max([SMALLEST_SPAN, *cells])


@in_style
def draw_difference(group: Group, row: Row, other: Row, span: float, look: Look = SCREEN) -> Figure:
    """The accuracies of ``row`` minus those of ``other``, each the mean over its seeds.

    Colours diverge from white: green where ``row`` is better, brown where ``other`` is.

    Args:
        group: of both rows.
        row: the one.
        other: the other.
        span: difference in points that has the full colour, as ``shared_span`` gives it.
        look: of the figure.
    """
    difference = mean_matrix(row) - mean_matrix(other)
    labels = row_labels(group)
    one, two = labels[row.label], labels[other.label]
    what = (
        f"{one} minus {two}, means over seeds; green: {one} is better, brown: {two}; all such pictures "
        "of a report have one scale"
    )
    return cells_figure(
        difference, group.config.tasks, group_title(what, group), "difference (points)",
        image={"cmap": "BrBG", "vmin": -span, "vmax": span},
        texts=[[signed(value).replace("-", "−") for value in values] for values in difference],
        dark=np.abs(difference) > 0.68 * span,
        look=look,
    )  # fmt: skip
