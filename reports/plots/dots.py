"""Transfer, Average and Last of every method as dots with their intervals, on axes that fit."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.series import row_labels
from cl_bench.reports.plots.style import LINES, group_title, new_figure, set_title
from cl_bench.reports.plots.zero_shot import mark_zero_shot, zero_shot_label
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.metrics import MAIN, METRICS
from cl_bench.reports.runs.numbers import plain
from cl_bench.reports.runs.row import Row
from cl_bench.reports.runs.zero_shot import rows_beside_zero_shot, zero_shot_range
from cl_bench.reports.statistics.spread import Spread

HIGHEST, OTHER = LINES[0][0], "#4d4d4d"
MARGIN = 0.06  # of the axis, on either side of what is drawn
SMALLEST_SPAN = 4.0  # points; on a shorter axis noise would look like a difference
MOST_BESIDE = 12  # characters beside a dot in a paper: "80.47 ± 0.07"
NUMBERS_AT = 1.04  # of the panel's width: right of it, so that no interval runs through them

Ends = tuple[float, float]


@in_style
def draw_dots(group: Group, look: Look = SCREEN) -> Figure | None:
    """One panel per metric, one dot per row with its 95 % interval over seeds.

    Rows keep the order of the table; bounds are hollow. The highest mean of each panel is blue, the
    dotted line is zero-shot. Two seeds have a line from one to the other. ``None`` without rows.
    """
    rows = rows_beside_zero_shot(group)
    if not rows:
        return None
    height = 0.6 + 0.16 * len(rows) if look.paper else max(2.2, 1.4 + 0.24 * len(rows))
    figure = new_figure(look.width(11.0, fits_a_column=False), height)
    panels = figure.subplots(1, len(MAIN), sharey=True)
    for axes, metric in zip(panels, MAIN, strict=True):
        _panel(axes, group, rows, metric, look)
    name_rows(panels[0], group, rows)
    what = (
        "Means over seeds with 95 % intervals from three seeds on (two: from one to the other); every panel "
        f"has its own scale; blue: highest mean, hollow: bounds, dotted: {zero_shot_label(group)}"
    )
    if look.paper:
        what = f"{', '.join(METRICS[metric] for metric in MAIN)}. {what}"
    set_title(figure, group_title(what, group), look)
    return figure


def name_rows(axes: Axes, group: Group, rows: Sequence[Row]) -> None:
    """Write the rows' labels at the left, the first at the top."""
    labels = row_labels(group)
    axes.set_yticks(range(len(rows)), [labels[row.label] for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)


def draw_interval(axes: Axes, y: int, spread: Spread, colour: str) -> Ends | None:
    """Draw a row's line across the panel and on it what is known of its spread; where that ends."""
    axes.axhline(y, color="#ececec", linewidth=0.8, zorder=0)
    ends = ends_of(spread)
    if ends is not None:
        axes.plot(ends, (y, y), "|-", markersize=6, color=colour, linewidth=1.2, zorder=2)
    return ends


def ends_of(spread: Spread) -> Ends | None:
    """Where the line through a dot ends, in per cent; ``None`` where nothing is known of its spread."""
    if spread.mean is None or len(spread.values) < 2 or spread.unchanged:
        return None
    if spread.half is None:
        return min(spread.values), max(spread.values)
    return max(0.0, spread.mean - spread.half), min(100.0, spread.mean + spread.half)


def limits(values: Sequence[float]) -> Ends:
    """An axis that holds all values with a margin, and is not shorter than ``SMALLEST_SPAN``."""
    low, high = min(values), max(values)
    missing = max(0.0, SMALLEST_SPAN - (high - low)) / 2
    low, high = low - missing, high + missing
    margin = MARGIN * (high - low)
    return low - margin, high + margin


def _panel(axes: Axes, group: Group, rows: Sequence[Row], metric: str, look: Look) -> None:
    drawn = [
        value for y, row in enumerate(rows) for value in _dot(axes, group, metric, y, row, look)
    ]
    zero_shot = zero_shot_range(group, metric)
    if zero_shot is not None:
        mark_zero_shot(axes.axvline, zero_shot)
        drawn += zero_shot
    low, high = limits(drawn or [0.0, 100.0])
    ticks = MaxNLocator(3 if look.paper else 5, steps=[1, 2, 5, 10]).tick_values(low, high)
    axes.set_xlim(low, high)
    axes.set_xticks([tick for tick in ticks if max(0, low) <= tick <= min(100, high)])
    if look.paper:
        axes.set_xlabel(f"{METRICS[metric]} (%)")
    else:
        axes.set(title=METRICS[metric], xlabel="per cent")
    axes.grid(axis="x")
    axes.tick_params(axis="y", length=0)


def _dot(axes: Axes, group: Group, metric: str, y: int, row: Row, look: Look) -> list[float]:
    """Draw a row's dot, its interval and its number; all values that the axis must hold."""
    spread = Spread(row.values(metric))
    highest = group.places.get((row.label, metric)) == 1
    colour = HIGHEST if highest else OTHER
    ends = draw_interval(axes, y, spread, colour)
    axes.text(
        NUMBERS_AT, y, _number(spread, look), transform=axes.get_yaxis_transform(), va="center",
        fontsize=8, weight="bold" if highest else None,
    )  # fmt: skip
    if spread.mean is None:
        return []
    face = "white" if row.bound else colour
    axes.plot(spread.mean, y, "o", markersize=4, color=colour, markerfacecolor=face, zorder=3)
    return [spread.mean, *(ends or ())]


def _number(spread: Spread, look: Look) -> str:
    """The number of a dot; beside one in a paper there is no room for two ends."""
    if look.paper and spread.mean is not None and len(spread.words()) > MOST_BESIDE:
        return plain(spread.mean)
    return spread.words()
