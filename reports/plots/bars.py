"""Transfer, Average and Last of every method with their intervals."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.reports.plots.series import row_labels
from cl_bench.reports.plots.style import (
    LINES,
    ZERO_SHOT_LINE,
    group_title,
    in_style,
    new_figure,
    set_title,
)
from cl_bench.reports.runs.group import MAIN, METRICS, Group
from cl_bench.reports.statistics.spread import Spread

NUMBERS_AT = 101  # per cent: right of every bar, so that no whisker runs through them


@in_style()
def draw_bars(group: Group) -> Figure | None:
    """One panel per figure, one bar per row, with its 95 % interval over seeds.

    Rows keep the order of the table; bounds are hatched. The best of each panel is blue, the
    dotted line is zero-shot. ``None`` without rows.
    """
    if not group.rows:
        return None
    figure = new_figure(11.0, max(2.4, 1.5 + 0.24 * len(group.rows)))
    panels = figure.subplots(1, len(MAIN), sharey=True)
    for axes, name in zip(panels, MAIN, strict=True):
        _panel(axes, group, name)
    labels = row_labels(group)
    panels[0].set_yticks(range(len(group.rows)), [labels[row.label] for row in group.rows])
    panels[0].invert_yaxis()
    what = (
        "Transfer, Average and Last (%): means over seeds, 95 % intervals over three or more; "
        "blue: best, hatched: bounds, dotted: zero-shot"
    )
    set_title(figure, group_title(what, group))
    return figure


def _panel(axes: Axes, group: Group, name: str) -> None:
    for y, row in enumerate(group.rows):
        spread = Spread(row.values(name))
        mean, half = spread.mean, spread.half
        if mean is None:
            axes.text(NUMBERS_AT, y, "-", va="center", fontsize=8)
            continue
        best = group.places.get((row.label, name)) == 1
        colour = "white" if row.bound else LINES[0][0] if best else "#9a9a9a"
        axes.barh(
            y, mean, 0.72, color=colour, edgecolor="#777777" if row.bound else colour,
            hatch="////" if row.bound else None, linewidth=0.8,
        )  # fmt: skip
        if half is not None:
            ends = [[min(half, mean)], [min(half, 100 - mean)]]  # no accuracy is beyond
            axes.errorbar(mean, y, xerr=ends, color="black", capsize=2, linewidth=1)
        axes.text(
            NUMBERS_AT, y, spread.words(), va="center", fontsize=8, weight="bold" if best else None
        )
    zero_shot = [run.matrix.metrics() for run in group.rows[0].runs]
    of = "zero_shot_transfer" if name == "transfer" else "zero_shot"
    if of in zero_shot[0]:
        axes.axvline(zero_shot[0][of], **ZERO_SHOT_LINE)
    axes.set(title=METRICS[name], xlim=(0, 125), ylim=(-0.6, len(group.rows) - 0.4))
    axes.set_xticks(range(0, 101, 20))
    axes.spines["bottom"].set_bounds(0, 100)
    axes.tick_params(axis="y", length=0)
