"""What becomes of data sets that are never learned, over the sequence of tasks."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cl_bench.reports.plots.beside import draw_beside, shown_names
from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.series import series
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.row import Row

WHAT = "Accuracy on held-out data sets, which are never learned; every panel has its own scale"


@in_style
def draw_held_out(group: Group, look: Look = SCREEN) -> Figure | None:
    """The mean over the held-out sets, then one panel per set: before anything was learned and after each task.

    ``None`` where the runs have no held-out sets or no method is ranked.
    """
    shown, names = series(group), tuple(group.config.held_out)
    if not shown or not names:
        return None
    curves = [[_curve(s.row, name) for s in shown] for name in names]
    panels = list(zip(shown_names(names, look), curves, strict=True))
    if len(names) > 1:
        mean = [np.mean([of_set[i] for of_set in curves], axis=0) for i in range(len(shown))]
        panels = [(f"mean of {len(names)} sets", mean), *panels]
    return draw_beside(group, shown, panels, WHAT, "accuracy (%)", look)


def _curve(row: Row, name: str) -> NDArray[np.float64]:
    """The accuracy on a set, the mean over seeds, [1 + T]."""
    mean: NDArray[np.float64] = np.array(row.held_out_curve(name)).mean(axis=1)
    return mean
