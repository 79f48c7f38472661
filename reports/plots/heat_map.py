"""A run's accuracy matrix as a heat map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from cl_bench.benchmark.record import ZERO_SHOT, RunResult
from cl_bench.reports.plots.cell_numbers import write_numbers
from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.style import DARK_BELOW, new_figure, save, set_title
from cl_bench.reports.runs.metrics import MAIN
from cl_bench.reports.runs.names import (
    beyond_mtil,
    clip,
    first_row,
    one_line,
    short_names,
    suite_in_words,
)
from cl_bench.reports.runs.numbers import plain

LONGEST_NAME = 24  # characters
LONGEST_UPRIGHT = 9  # characters of two names side by side in one column of a paper
MOST_IN_A_COLUMN = 3  # tasks; numbers of more would touch each other in one column of a paper
LEGEND = "framed: just learned; hatched: not learned yet"
CORNERS = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2  # of a cell around its centre

Values = NDArray[np.float64]


def save_heat_map(run: RunResult, *paths: Path) -> None:
    """Draw a run's accuracy matrix and save it, in the format of each path's suffix.

    The same run gives the same bytes.

    Args:
        run: finished or not.
        paths: files to write, ``.png`` (150 dpi), ``.svg`` or ``.pdf``; folders are made.
    """
    save(draw_heat_map(run), paths)


@in_style
def draw_heat_map(run: RunResult, look: Look = SCREEN) -> Figure:
    """One column per task in the order of learning; zero-shot above one row per learned task.

    The cell of the task just learned is framed: left of it stand tasks learned before, right of
    it, hatched, tasks not yet learned.
    """
    values = np.array([run.matrix.zero_shot, *run.matrix.rows])  # [1 + learned, T]
    return cells_figure(
        values, run.matrix.tasks, _title(run), "accuracy (%)",
        image={"cmap": "cividis", "vmin": 0, "vmax": 100},
        texts=[[plain(value) for value in row] for row in values],
        dark=values < 100 * DARK_BELOW,
        look=look, first=first_row(run.config),
    )  # fmt: skip


def cells_figure(
    values: Values,
    tasks: tuple[str, ...],
    title: list[str],
    meaning: str,
    image: dict[str, Any],
    texts: list[list[str]],
    dark: NDArray[np.bool_],
    look: Look,
    first: str = ZERO_SHOT,
) -> Figure:
    """A matrix over tasks as coloured cells with numbers in them.

    Args:
        values: zero-shot and one row per learned task, [1 + learned, T].
        tasks: the T names in the order of learning.
        title: its lines.
        meaning: of the colours, beside their scale.
        image: colour map and its limits.
        texts: what stands in the cells.
        dark: which cells are so dark that white is read better on them.
        look: of the figure.
        first: what the first row is called.
    """
    rows, columns = values.shape
    width = look.width(max(6.0, 2.6 + 0.62 * columns), columns <= MOST_IN_A_COLUMN)
    height = max(2.0, 1.2 + 0.21 * rows) if look.paper else 2.0 + 0.4 * rows + 0.2 * len(title)
    figure = new_figure(width, height)
    axes = figure.add_subplot()
    axes.spines[:].set_visible(True)
    # a mesh, not an image: it stays sharp in SVG and PDF; its edges close the seams between cells
    x, y = np.arange(columns + 1) - 0.5, np.arange(rows + 1) - 0.5
    shown = axes.pcolormesh(x, y, values, edgecolors="face", linewidth=0.3, **image)
    axes.invert_yaxis()
    _hatch(axes, dark)
    write_numbers(axes, texts, dark)
    _frames(axes, rows, look)
    longest = look.clipped(LONGEST_NAME)
    _names(axes, first, [clip(one_line(name), longest) for name in short_names(tasks)], rows, look)
    axes.set_xlabel("evaluated on" if look.paper else f"evaluated on   ({LEGEND})", fontsize=8)
    set_title(figure, [*title, LEGEND] if look.paper else title, look)
    figure.colorbar(shown, ax=axes, label=meaning, fraction=0.04, pad=0.02)
    return figure


def _hatch(axes: Axes, dark: NDArray[np.bool_]) -> None:
    """Hatch what is yet to be learned."""
    for ink, these in (("white", dark), ("black", ~dark)):
        cells = [_cell(j, i) for i, j in np.argwhere(these) if j >= i]
        axes.add_collection(
            PolyCollection(
                cells, facecolor="none", edgecolor=ink, hatch="//", alpha=0.12, linewidth=0
            ),
            autolim=False,
        )


def _cell(j: int, i: int, size: float = 1.0) -> Values:
    """The corners of a cell in column j and row i, [4, 2]."""
    corners: Values = CORNERS * size + np.array([j, i])
    return corners


def _frames(axes: Axes, rows: int, look: Look) -> None:
    """Frame the task just learned, white inside black: one of the two shows on every colour."""
    inner = (1.0, "white", 0.6) if look.paper else (0.93, "white", 0.9)
    for size, colour, points in ((1.0, "black", 2.4), inner):
        frames = [_cell(i - 1, i, size) for i in range(1, rows)]
        axes.add_collection(
            PolyCollection(frames, facecolor="none", edgecolor=colour, linewidth=points),
            autolim=False,
        )


def name_columns(axes: Axes, names: list[str], look: Look) -> None:
    """Write a name below every column; slanted where they would touch each other."""
    axes.set_xticks(range(len(names)), names)
    if len(names) > 3 or (look.paper and max(map(len, names)) > LONGEST_UPRIGHT):
        for label in axes.get_xticklabels():
            label.set(rotation=40, ha="right", rotation_mode="anchor")


def _names(axes: Axes, first: str, names: list[str], rows: int, look: Look) -> None:
    """Write the tasks' names at both axes."""
    name_columns(axes, names, look)
    learned = [f"after {name}" for name in names[: rows - 1]]
    axes.set_yticks(range(rows), [first, *learned])
    axes.tick_params(length=0)


def _title(run: RunResult) -> list[str]:
    """Which run, with which result, on what."""
    config, figures = run.config, run.matrix.metrics()
    which = f"{config.method}, order {config.order}, seed {config.seed}, {config.backbone.name}"
    if run.finished:
        result = "   ".join(f"{n.capitalize()} {plain(figures[n])}" for n in MAIN if n in figures)
    else:
        learned, total = len(run.matrix.rows), len(config.tasks)
        result = f"NOT FINISHED: {learned} of {total} tasks learned"
    return [which, result, suite_in_words(config), *beyond_mtil(config)]
