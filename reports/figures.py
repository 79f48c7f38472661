"""Pictures of runs, for print and screen."""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from cl_bench.benchmark.record import ZERO_SHOT, RunResult
from cl_bench.reports.names import short_names

DARK_BELOW = 55.0  # per cent; on cells darker than this the number is printed in white


def save_heat_map(run: RunResult, *paths: Path) -> None:
    """Draw a run's accuracy matrix and save it, in the format of each path's suffix.

    One column per task in the order of learning; the row above all is zero-shot, then one row per
    learned task. The cell of the task just learned is framed: left of it stand tasks learned
    before, right of it, in italics, tasks not yet learned. The colours read in grey and for
    colour-blind eyes. The same run gives the same bytes.
    """
    matrix = run.matrix
    names = short_names(matrix.tasks)
    values = np.array([matrix.zero_shot, *matrix.rows])  # [1 + learned, T]
    rows, columns = values.shape
    size = (max(8.0, 2.6 + 0.62 * columns), 2.2 + 0.4 * rows)  # room for the title
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shown = axes.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    for i, j in np.ndindex(rows, columns):
        axes.text(
            j,
            i,
            f"{values[i, j]:.1f}",
            ha="center",
            va="center",
            fontsize=8,
            color="white" if values[i, j] < DARK_BELOW else "black",
            style="italic" if j >= i else "normal",
        )
    for i in range(1, rows):
        axes.add_patch(Rectangle((i - 1.5, i - 0.5), 1, 1, fill=False, edgecolor="black", lw=2))
    axes.set_xticks(range(columns), names, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(rows), [ZERO_SHOT, *(f"after {n}" for n in names[: rows - 1])])
    axes.tick_params(length=0)
    axes.set_xlabel("evaluated on")
    figure.suptitle(_title(run), fontsize=10, x=0.01, ha="left")
    figure.colorbar(shown, ax=axes, label="accuracy (%)", shrink=0.8)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        with mpl.rc_context({"svg.hashsalt": "cl-bench"}):
            metadata = {"Date": None} if path.suffix == ".svg" else {}
            figure.savefig(path, dpi=150, metadata=metadata)


def _title(run: RunResult) -> str:
    """Which run, on what, with which result."""
    config, figures = run.config, run.matrix.metrics()
    first = f"{config.method}, order {config.order}, seed {config.seed}"
    names = ("transfer", "average", "last")
    numbers = [f"{name.capitalize()} {figures[name]:.1f}" for name in names if name in figures]
    if not run.finished:
        numbers.append("UNFINISHED")
    return f"{first}   {'  '.join(numbers)}\n{config.suite.about}"
