"""Labels beside points such that none lies on another, on a point or on a line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import cos, pi, sin

from matplotlib.axes import Axes
from matplotlib.path import Path
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox

from cl_bench.reports.plots.look import SCREEN, Look

DISTANCES = (7.0, 12.0, 18.0, 26.0, 36.0, 48.0, 62.0, 78.0, 96.0)  # points, of the nearest edge
DIRECTIONS = 16
LEADER_FROM = 12.0  # points; a label that far away is tied to its point by a line
HALO = withStroke(linewidth=2.5, foreground="white")  # lines end before the letters
MARKER = 4.0  # points around a point that stay free
ROOM = 1.5  # points between a label and what is next to it


@dataclass(frozen=True)
class _Spot:
    """A place for a label.

    Attributes:
        box: what the label would cover, in pixels.
        offset: of its centre from its point, in points.
        tied: of its nearest edge from its point, in points; ``None`` where no line is needed.
        leader: that line in pixels.
    """

    box: Bbox
    offset: tuple[float, float]
    tied: tuple[float, float] | None
    leader: Path | None

    def clear(self, lines: Sequence[Path], labels: Sequence[Bbox]) -> bool:
        """Whether no line runs through the label, and its own through no other label."""
        if any(line.intersects_bbox(self.box, filled=False) for line in lines):
            return False
        own = self.leader
        return own is None or not any(own.intersects_bbox(box, filled=False) for box in labels)


def place_labels(
    axes: Axes, points: Sequence[tuple[float, float, str]], look: Look = SCREEN
) -> None:
    """Write each label at the nearest free place around its point, inside the axes.

    The figure must have been laid out. Points that come first choose first. A label for which no
    place is free of lines may lie on one, and one for which nothing is free is left out.

    Args:
        axes: where the points are drawn.
        points: x, y and label of each.
        look: of the letters.
    """
    scale = axes.figure.dpi / 72  # pixels a point
    centres = [axes.transData.transform((x, y)) for x, y, _ in points]
    markers = [_box(x, y, MARKER * scale, MARKER * scale) for x, y in centres]
    inside, lines = axes.get_window_extent(), _lines(axes)
    labels: list[Bbox] = []
    for (x, y, label), (px, py) in zip(points, centres, strict=True):
        text = axes.annotate(
            label, (x, y), (0, 0), textcoords="offset points", ha="center", va="center",
            fontsize=look.label, zorder=5, path_effects=[HALO],
        )  # fmt: skip
        spots = [
            spot
            for spot in _spots(text, (px, py), scale, look.nearer)
            if _within(spot.box, inside) and not any(map(spot.box.overlaps, (*markers, *labels)))
        ]
        spot = next((s for s in spots if s.clear(lines, labels)), spots[0] if spots else None)
        if spot is None:
            text.remove()
            continue
        labels.append(spot.box)
        text.set_position(spot.offset)
        if spot.tied is not None and spot.leader is not None:
            _tie(axes, (x, y), spot.tied)
            lines.append(spot.leader)


def _lines(axes: Axes) -> list[Path]:
    """Every line that is drawn on the axes, in pixels; markers alone are none."""
    return [
        line.get_transform().transform_path(line.get_path())
        for line in axes.lines
        if line.get_linestyle() not in ("None", "none", "")
    ]


def _tie(axes: Axes, point: tuple[float, float], edge: tuple[float, float]) -> None:
    """A thin line from a point to its label's edge, so many points away."""
    line = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
    axes.annotate("", point, edge, textcoords="offset points", arrowprops=line, zorder=2)


def _spots(
    text: Annotation, centre: tuple[float, float], scale: float, nearer: float
) -> Iterator[_Spot]:
    """Places around a point at ``centre`` in pixels, near ones first, right before left."""
    extent = text.get_window_extent()
    half = extent.width / 2 / scale + ROOM, extent.height / 2 / scale + ROOM
    px, py = centre
    for distance in (each - nearer for each in DISTANCES):
        for step in range(DIRECTIONS):
            turn = (step + 1) // 2 * (1 if step % 2 else -1)
            angle = 2 * pi * turn / DIRECTIONS
            dx, dy = (distance + half[0]) * cos(angle), (distance + half[1]) * sin(angle)
            box = _box(px + dx * scale, py + dy * scale, half[0] * scale, half[1] * scale)
            tied, leader = None, None
            if distance >= LEADER_FROM - nearer:
                tied = _nearest(dx, half[0]), _nearest(dy, half[1])
                leader = Path([(px, py), (px + tied[0] * scale, py + tied[1] * scale)])
            yield _Spot(box, (dx, dy), tied, leader)


def _nearest(centre: float, half: float) -> float:
    """Of a label's extent in one direction the part nearest to its point."""
    return min(max(0.0, centre - half), centre + half)


def _box(x: float, y: float, half_width: float, half_height: float) -> Bbox:
    return Bbox.from_extents(x - half_width, y - half_height, x + half_width, y + half_height)


def _within(box: Bbox, frame: Bbox) -> bool:
    across = box.x0 >= frame.x0 and box.x1 <= frame.x1
    return bool(across and box.y0 >= frame.y0 and box.y1 <= frame.y1)
