"""Accuracy against what it costs."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import EngFormatter, LogLocator, NullFormatter, StrMethodFormatter

from cl_bench.reports.plots.dots import limits
from cl_bench.reports.plots.look import SCREEN, Look, in_style
from cl_bench.reports.plots.placement import place_labels
from cl_bench.reports.plots.series import row_labels
from cl_bench.reports.plots.style import LINES, add_legend, group_title, new_figure, set_title
from cl_bench.reports.plots.zero_shot import mark_zero_shot, zero_shot_label
from cl_bench.reports.runs.cost import Cost
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.machines import why_times_differ
from cl_bench.reports.runs.row import Row
from cl_bench.reports.runs.zero_shot import range_in_words, zero_shot_range

COSTS = {
    "parameters": "trainable parameters, mean over tasks",
    "seconds": "seconds of learning, all tasks",
    "memory": "peak memory (GiB)",
}
NAMES_ACROSS = 3  # in the list below, in a paper
AXIS_LABEL = 30  # characters a line below a panel, in a paper
LOGARITHMIC_FROM = 5.0  # dearest over cheapest
FRONT, BEHIND = LINES[0][0], "#8a8a8a"


@dataclass(frozen=True)
class Point:
    """A row of a group: what it costs and what it reaches.

    Attributes:
        label: its name.
        cost: the mean over seeds.
        average: the mean over seeds, in per cent.
        costs: of every seed.
    """

    label: str
    cost: float
    average: float
    costs: tuple[float, ...] = ()


@in_style
def draw_pareto(group: Group, look: Look = SCREEN) -> Figure | None:
    """Average against parameters, seconds and memory, each with its front of best trades.

    A method is on the front where none is both cheaper and better. The dotted line is zero-shot, where it
    is near. In a paper points have numbers, and the names stand below. ``None`` where no ranked run
    recorded what it cost.
    """
    clouds = {cost: c for cost in COSTS if (c := cloud(group, cost))}
    if not clouds:
        return None
    shown = list(dict.fromkeys(p.label for points in clouds.values() for p in points))
    rows_below = ceil(len(shown) / NAMES_ACROSS)
    figure = new_figure(
        look.width(4.4 * len(clouds) + 0.4, fits_a_column=False),
        2.5 + 0.17 * rows_below if look.paper else 5.2,
    )
    panels = figure.subplots(1, len(clouds), sharey=True, squeeze=False)[0]
    for axes, (cost, points) in zip(panels, clouds.items(), strict=True):
        _panel(axes, points, cost, look)
        words = axis_label(group, cost)
        axes.set_xlabel(textwrap.fill(words, AXIS_LABEL) if look.paper else words)
    averages = [p.average for points in clouds.values() for p in points]
    inside, where = _heights(panels[0], group, averages)
    for axes in panels if inside else []:
        mark_zero_shot(axes.axhline, zero_shot_range(group, "average") or (0.0, 0.0))
    panels[0].set_ylabel("Average (%)" if look.paper else f"Average (%){where}")
    what = (
        "Average against cost; blue: no method is both cheaper and higher, horizontal lines: lowest to "
        f"highest seed{f', dotted: {zero_shot_label(group)}' if inside else ''}"
    )
    set_title(figure, group_title(what + (where if look.paper else ""), group), look)
    _label(figure, dict(zip(panels, clouds.values(), strict=True)), shown, look)
    return figure


def _label(figure: Figure, clouds: dict[Axes, list[Point]], shown: list[str], look: Look) -> None:
    """Name every point: beside it, or in a paper by its number in the list below."""
    names = {label: str(n) if look.paper else label for n, label in enumerate(shown, start=1)}
    if look.paper:
        add_legend(
            figure, [Line2D([], [], linestyle="none") for _ in shown],
            [f"{names[label]}  {label}" for label in shown], loc="outside lower left",
            ncols=NAMES_ACROSS, handlelength=0, handletextpad=0,
        )  # fmt: skip
    engine = figure.get_layout_engine()
    assert engine is not None
    engine.execute(figure)  # the labels need to know where the points lie
    figure.set_layout_engine("none")
    for axes, points in clouds.items():
        place_labels(axes, [(p.cost, p.average, names[p.label]) for p in points], look)


def cloud(group: Group, cost: str) -> list[Point]:
    """Every ranked row that has an Average and recorded this cost, best Average first."""
    labels = row_labels(group)
    points = []
    for row in [row for row in group.rows if not row.bound]:
        known, average = cost_of(row).get(cost), row.mean("average")
        if known is not None and average is not None:
            each = (of_run[cost] for of_run in costs_of_runs(row))
            points.append(Point(labels[row.label], known, average, tuple(each)))
    return sorted(points, key=lambda p: (-p.average, p.cost, p.label))


def axis_label(group: Group, cost: str) -> str:
    """What the axis shows, and why its values do not compare where they do not."""
    ranked = [row for row in group.rows if not row.bound]
    if cost == "seconds":
        reason = why_times_differ(run for row in ranked for run in row.runs)
        return f"{COSTS[cost]}\n(do not compare: {reason})" if reason else COSTS[cost]
    if cost == "memory":
        kinds = {Cost.of_runs(row.runs).gpu_memory is None for row in ranked}
        which = {True: "of the process", False: "of the GPU"}
        return f"{COSTS[cost]} {' or '.join(which[kind] for kind in sorted(kinds))}"
    return COSTS[cost]


def cost_of(row: Row) -> dict[str, float]:
    """Parameters that train in a task, seconds of learning, GiB at most: the cost table's numbers."""
    cost = Cost.of_runs(row.runs)
    return _axes_of(cost, on_gpu=cost.gpu_memory is not None)


def costs_of_runs(row: Row) -> list[dict[str, float]]:
    """The same of every run alone, its memory of the same kind as the row's."""
    on_gpu = Cost.of_runs(row.runs).gpu_memory is not None
    return [_axes_of(Cost.of(run.known_events), on_gpu) for run in row.runs]


def _axes_of(cost: Cost, on_gpu: bool) -> dict[str, float]:
    memory = cost.gpu_memory if on_gpu else cost.process_memory
    costs = {
        "parameters": cost.trainable_parameters,
        "seconds": cost.learning_seconds,
        "memory": None if memory is None else memory / 2**30,
    }
    return {name: value for name, value in costs.items() if value is not None}


def front(points: list[Point]) -> list[Point]:
    """The points that no other beats in both cost and Average, cheapest first."""
    best: list[Point] = []
    for point in sorted(points, key=lambda p: (p.cost, -p.average)):
        if not best or point.average > best[-1].average:
            best.append(point)
    return best


def _heights(axes: Axes, group: Group, averages: list[float]) -> tuple[bool, str]:
    """Fit the panels' common axis to the points; whether zero-shot lies on it, and where else it is.

    Far from all points it would take the room that tells them apart: then it is given in words.
    """
    low, high = limits(averages)
    ends = zero_shot_range(group, "average") or (low, high)
    near = low - (high - low) <= ends[0] and ends[1] <= high + (high - low)
    words = "" if near else f"; zero-shot is {range_in_words(ends)}, outside of this axis"
    axes.set_ylim(limits([*averages, *ends] if near else averages))
    return near, words


def _panel(axes: Axes, points: list[Point], cost: str, look: Look) -> None:
    best = front(points)
    costs = [p.cost for p in points]
    if min(costs) > 0 and max(costs) > LOGARITHMIC_FROM * min(costs):
        axes.set_xscale("log")
        fine = max(costs) < (20 if look.paper else 200) * min(costs)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if fine else (1,)))
        axes.xaxis.set_minor_formatter(NullFormatter())
    engineers = EngFormatter(sep="")  # 200k: parameters are many, seconds and GiB are not
    axes.xaxis.set_major_formatter(
        engineers if cost == "parameters" else StrMethodFormatter("{x:,g}")
    )
    axes.plot(*_steps(best), color=FRONT, linestyle="--", linewidth=1, zorder=2)
    for p in points:
        form, colour = ("o", FRONT) if p in best else ("s", BEHIND)
        axes.plot(p.cost, p.average, form, markersize=5, color=colour, zorder=3)
        ends = min(p.costs, default=p.cost), max(p.costs, default=p.cost)
        axes.plot(ends, (p.average, p.average), color=colour, linewidth=1.2, zorder=2.5)
    axes.margins(x=0.16)


def _steps(best: list[Point]) -> tuple[list[float], list[float]]:
    """The front as stairs: right to the next one's cost, then up to its Average."""
    x = [cost for p, q in pairwise(best) for cost in (p.cost, q.cost)] + [best[-1].cost]
    y = [p.average for p in best[:-1] for _ in range(2)] + [best[-1].average]
    return x, y
