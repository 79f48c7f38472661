"""What becomes of image-text retrieval, over the sequence of tasks."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cl_bench.benchmark.record import RECALL_AT, WAYS, recall_name
from cl_bench.reports.plots.beside import draw_beside, shown_names
from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.series import series
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.row import Row

WHAT = "Recall of image-text retrieval, on pictures that are never learned; every panel has its own scale"


@in_style
def draw_retrieval(group: Group, look: Look = SCREEN) -> Figure | None:
    """One panel per set, way and k: before anything was learned and after each task.

    ``None`` where the runs have no retrieval sets or no method is ranked.
    """
    shown, names = series(group), tuple(group.config.retrieval)
    if not shown or not names:
        return None
    panels = []
    for name, short in zip(names, shown_names(names, look), strict=True):
        whose = f"{short}, " if len(names) > 1 else ""
        for way, said in WAYS.items():
            for k in RECALL_AT:
                lines = [_curve(s.row, name, recall_name(way, k)) for s in shown]
                panels.append((f"{whose}{said}, R@{k}", lines))
    return draw_beside(group, shown, panels, WHAT, "recall (%)", look)


def _curve(row: Row, name: str, recall: str) -> NDArray[np.float64]:
    """A recall in a set, the mean over seeds, [1 + T]."""
    mean: NDArray[np.float64] = np.array(row.retrieval_curve(name, recall)).mean(axis=1)
    return mean
