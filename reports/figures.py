"""Pictures of runs, for print and screen."""

from __future__ import annotations

import textwrap
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from cl_bench.benchmark.record import ZERO_SHOT, RunResult
from cl_bench.reports.names import clip, short_names, suite_in_words

DARK_BELOW = 48.0  # per cent; below, white has more contrast on cividis than black
LONGEST_NAME = 24  # characters
TITLE_SIZE = 10  # points
CHARACTERS_PER_INCH = 12.5  # of the title, on the safe side
LEGEND = "framed: just learned; hatched, in italics: not learned yet"


def save_heat_map(run: RunResult, *paths: Path) -> None:
    """Draw a run's accuracy matrix and save it, in the format of each path's suffix.

    One column per task in the order of learning; the row above all is zero-shot, then one row per
    learned task. The cell of the task just learned is framed: left of it stand tasks learned
    before, right of it, hatched and in italics, tasks not yet learned. The colours read in grey
    and for colour-blind eyes. The same run gives the same bytes.

    Args:
        run: finished or not.
        paths: files to write, ``.png`` (150 dpi) or ``.svg``; folders are made.
    """
    figure = _heat_map(run)
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without these two an SVG holds random identifiers and the time at which it was drawn.
        with mpl.rc_context({"svg.hashsalt": "cl-bench"}):
            metadata = {"Date": None} if path.suffix == ".svg" else {}
            figure.savefig(path, dpi=150, metadata=metadata)


def _heat_map(run: RunResult) -> Figure:
    values = np.array([run.matrix.zero_shot, *run.matrix.rows])  # [1 + learned, T]
    rows, columns = values.shape
    width = max(6.0, 2.6 + 0.62 * columns)  # inches
    title = _title(run, int(width * CHARACTERS_PER_INCH))
    figure = Figure(figsize=(width, 2.0 + 0.4 * rows + 0.2 * len(title)), layout="constrained")
    FigureCanvasAgg(figure)  # draws without a display, whatever the user's settings
    axes = figure.add_subplot()
    shown = axes.imshow(values, cmap="cividis", vmin=0, vmax=100, aspect="auto")
    _cells(axes, values)
    _names(axes, [clip(name, LONGEST_NAME) for name in short_names(run.matrix.tasks)], rows)
    figure.suptitle("\n".join(title), fontsize=TITLE_SIZE, x=0.01, ha="left", parse_math=False)
    figure.colorbar(shown, ax=axes, label="accuracy (%)", fraction=0.04, pad=0.02)
    return figure


def _cells(axes: Axes, values: NDArray[np.float64]) -> None:
    """Print the numbers and mark what was just learned and what is yet to be learned."""
    for i, j in np.ndindex(*values.shape):
        learned = j < i
        ink = "white" if values[i, j] < DARK_BELOW else "black"
        if not learned:
            corner = (j - 0.5, i - 0.5)
            axes.add_patch(
                Rectangle(
                    corner, 1, 1, fill=False, hatch="//", edgecolor=ink, alpha=0.12, linewidth=0
                )
            )
        axes.text(
            j, i, f"{values[i, j]:.1f}", ha="center", va="center", fontsize=8, color=ink,
            style="normal" if learned else "italic",
            weight="bold" if j == i - 1 else "normal",
        )  # fmt: skip
    for i in range(1, len(values)):
        # white inside black: one of the two shows on every colour
        for inset, colour, points in ((0.0, "black", 2.4), (0.035, "white", 0.9)):
            corner, side = (i - 1.5 + inset, i - 0.5 + inset), 1 - 2 * inset
            axes.add_patch(
                Rectangle(corner, side, side, fill=False, edgecolor=colour, linewidth=points)
            )


def _names(axes: Axes, names: list[str], rows: int) -> None:
    """Write the tasks' names at both axes; slanted where they would touch each other."""
    axes.set_xticks(range(len(names)), names, parse_math=False)
    if len(names) > 3:
        for label in axes.get_xticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")
    learned = [f"after {name}" for name in names[: rows - 1]]
    axes.set_yticks(range(rows), [ZERO_SHOT, *learned], parse_math=False)
    axes.tick_params(length=0)
    axes.set_xlabel(f"evaluated on   ({LEGEND})", fontsize=8)


def _title(run: RunResult, width: int) -> list[str]:
    """Which run, with which result, on what; lines of at most ``width`` characters."""
    config, figures = run.config, run.matrix.metrics()
    which = f"{config.method}, order {config.order}, seed {config.seed}, {config.backbone.name}"
    if run.finished:
        names = ("transfer", "average", "last")
        result = "   ".join(f"{n.capitalize()} {figures[n]:.1f}" for n in names if n in figures)
    else:
        learned, total = len(run.matrix.rows), len(config.tasks)
        result = f"NOT FINISHED: {learned} of {total} tasks learned"
    suite = textwrap.wrap(suite_in_words(config), width)
    return [*textwrap.wrap(which, width), result, *suite]
