"""Labels beside points: none on another, none outside, and every one near its own point."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Annotation

from cl_bench.reports.plots.placement import DISTANCES, LEADER_FROM, place_labels

Points = list[tuple[float, float, str]]


def drawn(points: Points, side: float = 5) -> tuple[Axes, list[Annotation], list[Annotation]]:
    """The axes, the labels, and the lines that tie some of them to their points."""
    figure = Figure(figsize=(side, side), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    figure.canvas.draw()
    place_labels(axes, points)
    notes = [t for t in axes.texts if isinstance(t, Annotation)]
    return axes, [t for t in notes if t.get_text()], [t for t in notes if not t.get_text()]


def scattered(count: int, seed: int, spread: float = 1.0) -> Points:
    draw = np.random.default_rng(seed)
    places = 0.5 + spread * (draw.random((count, 2)) - 0.5)
    return [(float(x), float(y), f"method {i}") for i, (x, y) in enumerate(places)]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("spread", [1.0, 0.2])
def test_no_label_overlaps_another_or_leaves_the_axes(seed: int, spread: float) -> None:
    points = scattered(14, seed, spread)
    axes, labels, _ = drawn(points)
    assert len(labels) == len(points), "there is room for all"
    frame, boxes = axes.get_window_extent(), [label.get_window_extent() for label in labels]
    for i, box in enumerate(boxes):
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1
        assert frame.y0 <= box.y0 and box.y1 <= frame.y1
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
        for x, y, _ in points:
            assert not box.contains(*axes.transData.transform((x, y))), "a point is covered"


def test_a_label_belongs_to_the_point_that_it_is_anchored_at() -> None:
    points = scattered(8, 0)
    _, labels, _ = drawn(points)
    assert [(*label.xy, label.get_text()) for label in labels] == points


def test_a_point_alone_has_its_label_to_the_right_and_no_line() -> None:
    _, (label,), lines = drawn([(0.5, 0.5, "alone")])
    dx, dy = label.get_position()
    assert dx > DISTANCES[0] and dy == pytest.approx(0, abs=1e-9) and not lines


def test_a_label_at_the_right_edge_goes_to_the_left() -> None:
    _, (label,), _ = drawn([(0.995, 0.5, "at the edge")])
    assert label.get_position()[0] < 0


def test_labels_that_are_far_from_their_points_are_tied_to_them() -> None:
    crowd = [(0.5 + 0.004 * i, 0.5, f"method {i}") for i in range(12)]
    _, labels, lines = drawn(crowd)
    assert len(labels) == 12 and 0 < len(lines) < 12
    places = {(x, y) for x, y, _ in crowd}
    assert {tuple(line.xy) for line in lines} <= places
    assert DISTANCES[0] < LEADER_FROM, "the nearest places need no line"


def test_where_there_is_no_room_a_label_is_left_out_and_the_first_stays() -> None:
    crowd = [(0.5, 0.5, f"a rather long name {i}") for i in range(60)]
    _, labels, _ = drawn(crowd, side=1.6)
    assert 0 < len(labels) < 60
    assert labels[0].get_text() == "a rather long name 0"


def test_labels_lie_on_no_line_and_their_ties_run_through_no_label() -> None:
    figure = Figure(figsize=(5, 5), dpi=100)
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    points = scattered(9, 4, 0.25)
    axes.axhline(0.5, linestyle=":")
    axes.plot([0.3, 0.7, 0.7], [0.55, 0.55, 0.7], "--")
    axes.plot([0.45], [0.45], "o")
    figure.canvas.draw()
    place_labels(axes, points)
    notes = [t for t in axes.texts if isinstance(t, Annotation)]
    boxes = {t.get_text(): t.get_window_extent() for t in notes if t.get_text()}
    assert len(boxes) == 9
    for line in axes.lines[:2]:
        path = line.get_transform().transform_path(line.get_path())
        assert not any(path.intersects_bbox(box, filled=False) for box in boxes.values())
    for x, y, name in points:
        for tie in [t for t in notes if not t.get_text() and tuple(t.xy) == (x, y)]:
            ends = axes.transData.transform([(x, y)])[0]
            way = Path([ends, ends + np.array(tie.get_position()) * figure.dpi / 72])
            crossed = [n for n, box in boxes.items() if way.intersects_bbox(box, filled=False)]
            assert set(crossed) <= {name}
