"""How full the protected subspaces are, per layer and task."""

from __future__ import annotations

from statistics import fmean

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.reports.plots.cell_numbers import write_numbers
from cl_bench.reports.plots.heat_map import MOST_IN_A_COLUMN, name_columns
from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.series import row_labels
from cl_bench.reports.plots.style import (
    DARK_BELOW,
    group_title,
    name_panel,
    new_figure,
    set_title,
)
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import clip, one_line, short_names
from cl_bench.reports.runs.numbers import plain
from cl_bench.reports.runs.occupancy import TOWERS, Occupancy, occupancy_of
from cl_bench.reports.runs.row import Row

LONGEST_NAME = 24  # characters


@in_style
def draw_subspace(group: Group, row: Row, look: Look = SCREEN) -> Figure | None:
    """Protected dimensions after each task, one row per block: mean over its matrices and seeds.

    One panel per tower, as their widths differ. ``None`` for a method that protects none.
    """
    occupancy = _mean([found for run in row.runs if (found := occupancy_of(run))])
    if not occupancy:
        return None
    blocks = [len(of) for of in occupancy.values()]
    longest = look.clipped(LONGEST_NAME)
    names = [clip(one_line(name), longest) for name in short_names(group.config.tasks)]
    width = look.width(max(6.0, 2.2 + 0.62 * len(names)), len(names) <= MOST_IN_A_COLUMN)
    own = 1.9 + 0.34 * sum(blocks) + 0.5 * len(blocks)
    figure = new_figure(width, 0.9 + 0.18 * sum(blocks) + 0.25 * len(blocks) if look.paper else own)
    panels = figure.subplots(len(blocks), 1, sharex=True, squeeze=False, height_ratios=blocks)
    for axes, (tower, of) in zip(panels[:, 0], occupancy.items(), strict=True):
        _panel(axes, tower, of, look)
    last = panels[-1, 0]
    name_columns(last, names, look)
    last.set_xlabel("after learning")
    what = f"{row_labels(group)[row.label]}: protected dimensions, mean of a block's matrices"
    set_title(figure, group_title(what, group), look)
    return figure


def _mean(seeds: list[Occupancy]) -> Occupancy:
    if not seeds:
        return {}
    return {
        tower: {
            block: [fmean(v) for v in zip(*(s[tower][block] for s in seeds), strict=True)]
            for block in of
        }
        for tower, of in seeds[0].items()
    }


def _panel(axes: Axes, tower: str, of: dict[int, list[float]], look: Look) -> None:
    values = np.array([of[block] for block in sorted(of)])  # [blocks, T]
    low, high = float(values.min()), float(values.max())
    shown = axes.imshow(
        values, cmap="cividis", aspect="auto", interpolation="nearest", vmin=low, vmax=high
    )
    dark = values - low < DARK_BELOW * (high - low)
    write_numbers(axes, [[plain(float(value), 0) for value in row] for row in values], dark)
    axes.spines[:].set_visible(True)
    axes.set_yticks(range(len(of)), [f"block {block}" for block in sorted(of)])
    axes.tick_params(length=0)
    name_panel(axes, f"{TOWERS.get(tower, tower)} tower", look, loc="left")
    axes.figure.colorbar(shown, ax=axes, fraction=0.04, pad=0.02)
