"""Accuracy against what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter

from cl_bench.reports.plots.placement import place_labels
from cl_bench.reports.plots.series import row_labels
from cl_bench.reports.plots.style import (
    LINES,
    ZERO_SHOT_LINE,
    group_title,
    in_style,
    new_figure,
    set_title,
)
from cl_bench.reports.runs.cost import Cost
from cl_bench.reports.runs.group import Group, Row

COSTS = {
    "parameters": "trainable parameters, mean over tasks",
    "seconds": "seconds of learning, all tasks",
    "memory": "peak memory (GiB)",
}
LOGARITHMIC_FROM = 10.0  # dearest over cheapest
FRONT, BEHIND = LINES[0][0], "#8a8a8a"


@dataclass(frozen=True)
class Point:
    """A row of a group: what it costs and what it reaches."""

    label: str
    cost: float
    average: float


@in_style()
def draw_pareto(group: Group) -> Figure | None:
    """Average against parameters, seconds and memory, each with its front of best trades.

    A method is on the front where none is both cheaper and better; the dotted line is zero-shot. ``None``
    where no ranked run recorded what it cost.
    """
    clouds = {cost: c for cost in COSTS if (c := cloud(group, cost))}
    if not clouds:
        return None
    figure = new_figure(4.4 * len(clouds) + 0.4, 5.2)
    zero_shot = fmean(group.rows[0].runs[0].matrix.zero_shot)
    panels = figure.subplots(1, len(clouds), sharey=True, squeeze=False)[0]
    for axes, (cost, points) in zip(panels, clouds.items(), strict=True):
        _panel(axes, points, zero_shot)
        axes.set_xlabel(COSTS[cost])
    panels[0].set_ylabel("Average (%)")
    what = "Average against cost; blue: no method is both cheaper and better, dotted: zero-shot"
    set_title(figure, group_title(what, group))
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)  # the labels need to know where the points lie
    figure.set_layout_engine("none")
    for axes, points in zip(panels, clouds.values(), strict=True):
        place_labels(axes, [(p.cost, p.average, p.label) for p in points])
    return figure


def cloud(group: Group, cost: str) -> list[Point]:
    """Every ranked row that has an Average and recorded this cost, best Average first."""
    labels = row_labels(group)
    points = []
    for row in [row for row in group.rows if not row.bound]:
        known, average = cost_of(row).get(cost), row.mean("average")
        if known is not None and average is not None:
            points.append(Point(labels[row.label], known, average))
    return sorted(points, key=lambda p: (-p.average, p.cost, p.label))


def cost_of(row: Row) -> dict[str, float]:
    """Parameters that train in a task, seconds of learning, GiB at most: the cost table's numbers."""
    cost = Cost.of_runs(row.runs)
    costs = {
        "parameters": cost.trainable_parameters,
        "seconds": cost.learning_seconds,
        "memory": None if cost.memory is None else cost.memory / 2**30,
    }
    return {name: value for name, value in costs.items() if value is not None}


def front(points: list[Point]) -> list[Point]:
    """The points that no other beats in both cost and Average, cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.average)):
        if not best or point.average > best[-1].average:
            best.append(point)
    return best


def _panel(axes: Axes, points: list[Point], zero_shot: float) -> None:
    best = front(points)
    costs = [p.cost for p in points]
    if min(costs) > 0 and max(costs) > LOGARITHMIC_FROM * min(costs):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(
            LogLocator(subs=(1, 2, 5) if max(costs) < 200 * min(costs) else (1,))
        )
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.axhline(zero_shot, **ZERO_SHOT_LINE)
    axes.step(
        [p.cost for p in best], [p.average for p in best], where="post", color=FRONT,
        linestyle="--", linewidth=1, zorder=2,
    )  # fmt: skip
    for p in points:
        form, colour = ("o", FRONT) if p in best else ("s", BEHIND)
        axes.plot(p.cost, p.average, form, markersize=5, color=colour, zorder=3)
    axes.margins(x=0.14, y=0.12)
    axes.grid()
