"""Dots: the axis holds every interval, and zero-shot is that of the group that is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes
from written_run import write_run

from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.record import read_run
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.benchmark.records.matrix_file import write_matrix
from cl_bench.reports.plots.difference import rivals, shared_span
from cl_bench.reports.plots.dots import SMALLEST_SPAN, draw_dots, ends_of, limits
from cl_bench.reports.plots.pareto import axis_label, draw_pareto
from cl_bench.reports.plots.radar import draw_radar
from cl_bench.reports.plots.sequence import draw_sequence, layout
from cl_bench.reports.plots.series import mean_matrix
from cl_bench.reports.plots.style import ZERO_SHOT_LINE
from cl_bench.reports.runs.group import Group, group
from cl_bench.reports.runs.metrics import MAIN
from cl_bench.reports.statistics.spread import Spread

VALUES = st.lists(st.floats(0, 100), min_size=1, max_size=6).map(tuple)


def groups(root: Path) -> list[Group]:
    return group([read_run(p.parent) for p in sorted(root.rglob("config.json"))])


def written(root: Path, seeds: int = 3, methods: int = 3, **changes: object) -> Group:
    for i in range(methods):
        for seed in range(seeds):
            write_run(root, f"method-{i}", seed, **changes)  # type: ignore[arg-type]
    (found,) = groups(root)
    return found


def dotted(axes: Axes) -> list[float]:
    """Where the zero-shot lines of a panel are."""
    lines = [x for x in axes.lines if x.get_linestyle() == ZERO_SHOT_LINE["linestyle"]]
    return sorted(float(np.asarray(x.get_xdata())[0]) for x in lines)


@settings(deadline=None)  # the first call imports scipy
@given(VALUES)
def test_an_axis_holds_what_is_drawn(values: tuple[float, ...]) -> None:
    low, high = limits(values)
    assert low < min(values) and max(values) < high and high - low >= SMALLEST_SPAN
    spread = Spread(values)
    ends = ends_of(spread)
    if ends is not None and spread.mean is not None:
        assert 0 <= ends[0] <= spread.mean + 1e-9 and spread.mean - 1e-9 <= ends[1] <= 100


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_no_interval_is_cut_off(tmp_path: Path, seeds: int) -> None:
    found = written(tmp_path, seeds, images=7)
    figure = draw_dots(found)
    assert figure is not None
    for axes, metric in zip(figure.axes, MAIN, strict=True):
        low, high = axes.get_xlim()
        for row in found.rows:
            spread = Spread(row.values(metric))
            assert spread.mean is not None and low < spread.mean < high
            ends = ends_of(spread) or (spread.mean, spread.mean)
            assert low < ends[0] and ends[1] < high
        assert all(low < x < high for x in dotted(axes)), "zero-shot, too"
        assert all(0 <= tick <= 100 for tick in axes.get_xticks())


def test_zero_shot_is_that_of_the_groups_own_runs(tmp_path: Path) -> None:
    for order, images in (("I", 40), ("II", 90)):
        write_run(tmp_path, "lora", 0, order=order, images=images)
    expected = []
    for found in groups(tmp_path):
        figure = draw_dots(found)
        assert figure is not None
        own = found.rows[0].runs[0].matrix.zero_shot
        expected.append(np.mean(own))
        assert dotted(figure.axes[1]) == pytest.approx([np.mean(own)])
        assert dotted(figure.axes[0]) == pytest.approx([np.mean(own[1:])])
    assert expected[0] != expected[1], "the groups must differ for this to test anything"


def test_zero_shot_that_differs_is_drawn_twice_and_said(tmp_path: Path) -> None:
    found = written(tmp_path, 1)
    run = found.rows[-1].runs[0]
    write_matrix(run.path, AccuracyMatrix(run.matrix.tasks, (10.0,) * 3, run.matrix.rows))
    write_ledger(run.path)
    (found,) = groups(tmp_path)
    figure = draw_dots(found)
    assert figure is not None and len(dotted(figure.axes[1])) == 2
    assert "differs between runs" in figure.get_suptitle().replace("\n", " ")
    sequence = draw_sequence(found)
    assert sequence is not None
    levels = {
        round(float(np.asarray(x.get_ydata())[0]), 6)
        for x in sequence.axes[0].lines
        if x.get_linestyle() == ZERO_SHOT_LINE["linestyle"]
    }
    assert 10.0 in levels and len(levels) == 2


@pytest.mark.parametrize(("tasks", "empty"), [(1, 0), (2, 0), (4, 0), (6, 1), (11, 0)])
def test_no_half_of_the_sequence_is_empty(tasks: int, empty: int) -> None:
    across, down = layout(tasks + 1)
    assert across * down - (tasks + 1) == empty and across <= 5


def test_own_scales_are_said(tmp_path: Path) -> None:
    found = written(tmp_path, 1)
    for figure in (draw_dots(found), draw_sequence(found)):
        assert figure is not None
        assert "every panel has its own scale" in figure.get_suptitle().replace("\n", " ")


@pytest.mark.parametrize(("tasks", "drawn"), [(4, False), (5, True)])
def test_a_radar_has_five_axes_at_least(tmp_path: Path, tasks: int, drawn: bool) -> None:
    found = written(tmp_path, 1, tasks=tuple(f"t{i}" for i in range(tasks)))
    assert (draw_radar(found) is not None) == drawn


def test_differences_of_a_report_share_their_scale(tmp_path: Path) -> None:
    for order, images in (("I", 40), ("II", 12)):
        for method in ("lora", "zscl", "wc"):
            write_run(tmp_path, method, 0, order=order, images=images)
    found = groups(tmp_path)
    span = shared_span(found)
    cells = [np.abs(mean_matrix(a) - mean_matrix(b)).max() for g in found for a, b in rivals(g)]
    assert len(cells) == 4 and span == max(cells)


def test_seconds_of_two_machines_are_said_not_to_compare(tmp_path: Path) -> None:
    found = written(tmp_path, 1)
    assert axis_label(found, "seconds") == "seconds of learning, all tasks"
    path = found.rows[0].runs[0].path / "manifest.json"
    path.write_text(path.read_text().replace("a processor", "another"))
    write_ledger(path.parent)
    (found,) = groups(tmp_path)
    assert "do not compare: measured on 2 different machines" in axis_label(found, "seconds")


def test_zero_shot_far_away_takes_no_room_from_the_points(tmp_path: Path) -> None:
    found = written(tmp_path, 1)
    figure = draw_pareto(found)
    assert figure is not None
    low, high = figure.axes[0].get_ylim()
    averages = [row.mean("average") or 0.0 for row in found.rows]
    assert low < min(averages) and max(averages) < high
    words = figure.axes[0].get_ylabel()
    zero_shot = float(np.mean(found.rows[0].runs[0].matrix.zero_shot))
    assert ("outside of this axis" in words) == (not low < zero_shot < high)
    assert low < zero_shot < high or high - low < 3 * max(SMALLEST_SPAN, np.ptp(averages))
