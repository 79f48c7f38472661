"""Accuracy against what it costs."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.compare import Group
from cl_bench.reports.figures.learning import learned_events, numbers
from cl_bench.reports.figures.placement import place_labels
from cl_bench.reports.figures.series import row_labels
from cl_bench.reports.figures.style import LINES, group_title, in_style, new_figure, set_title

COSTS = {
    "parameters": "trainable parameters",
    "seconds": "seconds of learning, all tasks",
    "memory": "peak memory (GiB)",
}
FRONT, BEHIND = LINES[0][0], "#8a8a8a"


@dataclass(frozen=True)
class Point:
    """A row of a group: what it costs and what it reaches."""

    label: str
    cost: float
    average: float
    bound: bool


@in_style()
def draw_pareto(group: Group) -> Figure | None:
    """Average against parameters, seconds and memory, each with its front of best trades.

    A method is on the front where none is both cheaper and better; bounds are hollow and never on
    it. ``None`` where no run recorded what it cost.
    """
    clouds = {cost: c for cost in COSTS if (c := cloud(group, cost))}
    if not clouds:
        return None
    figure = new_figure(4.4 * len(clouds) + 0.4, 5.2)
    panels = figure.subplots(1, len(clouds), sharey=True, squeeze=False)[0]
    for axes, (cost, points) in zip(panels, clouds.items(), strict=True):
        _panel(axes, points)
        axes.set_xlabel(COSTS[cost])
    panels[0].set_ylabel("Average (%)")
    what = "Average against cost; blue: no method is both cheaper and better, hollow: bounds"
    set_title(figure, group_title(what, group))
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)  # the labels need to know where the points lie
    figure.set_layout_engine("none")
    for axes, points in zip(panels, clouds.values(), strict=True):
        place_labels(axes, [(p.cost, p.average, p.label) for p in points])
    return figure


def cloud(group: Group, cost: str) -> list[Point]:
    """Every row that has an Average and recorded this cost, best Average first."""
    labels = row_labels(group)
    points = []
    for row in group.rows:
        costs, average = [cost_of(run).get(cost) for run in row.runs], row.mean("average")
        known = [c for c in costs if c is not None]
        if known and average is not None:
            points.append(Point(labels[row.label], fmean(known), average, row.bound))
    return sorted(points, key=lambda p: (-p.average, p.cost, p.label))


def cost_of(run: RunResult) -> dict[str, float]:
    """Most parameters trained at once, seconds in all, GiB at most (of the GPU if it had one)."""
    events = learned_events(run)
    costs = {}
    parameters = [e.get("trainable_parameters") for e in events]
    if known := [float(p) for p in parameters if isinstance(p, int | float)]:
        costs["parameters"] = max(known)
    if seconds := [sum(of.values()) for e in events if (of := numbers(e.get("seconds")))]:
        costs["seconds"] = sum(seconds)
    peaks = [numbers(e.get("peak_memory")) for e in events]
    if known := [
        p["gpu"] if "gpu" in p else p["process"] for p in peaks if {"gpu", "process"} & {*p}
    ]:
        costs["memory"] = max(known) / 2**30
    return costs


def front(points: list[Point]) -> list[Point]:
    """The points that no other beats in both cost and Average, cheapest first; no bounds."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.average)):
        if not point.bound and (not best or point.average > best[-1].average):
            best.append(point)
    return best


def _panel(axes: Axes, points: list[Point]) -> None:
    best = front(points)
    positive = [p.cost for p in points if p.cost > 0]
    if positive and len(positive) < len(points):  # zero-shot trains nothing
        axes.set_xscale("symlog", linthresh=min(positive) / 2, linscale=0.3)
    elif positive and max(positive) > 5 * min(positive):
        axes.set_xscale("log")
    axes.step(
        [p.cost for p in best], [p.average for p in best], where="post", color=FRONT,
        linestyle="--", linewidth=1, zorder=1,
    )  # fmt: skip
    for p in points:
        colour = FRONT if p in best else BEHIND
        axes.plot(
            p.cost, p.average, "o" if p in best else "s", markersize=5, color=colour,
            markerfacecolor="white" if p.bound else colour, zorder=3,
        )  # fmt: skip
    axes.margins(x=0.12, y=0.08)
    axes.grid()
