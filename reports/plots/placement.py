"""Labels beside points such that none lies on another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import cos, pi, sin

from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.transforms import Bbox

FONT = 7.5  # points
DISTANCES = (7.0, 12.0, 18.0, 26.0, 36.0, 48.0, 62.0, 78.0, 96.0)  # points, of the nearest edge
DIRECTIONS = 16
LEADER_FROM = 12.0  # points; a label that far away is tied to its point by a line
HALO = withStroke(linewidth=2.5, foreground="white")  # lines end before the letters
MARKER = 4.0  # points around a point that stay free


def place_labels(axes: Axes, points: Sequence[tuple[float, float, str]]) -> None:
    """Write each label at the nearest free place around its point, inside the axes.

    The figure must have been laid out. Points that come first choose first; a label for which
    nothing is free is left out.

    Args:
        axes: where the points are drawn.
        points: x, y and label of each.
    """
    scale = axes.figure.dpi / 72  # pixels a point
    centres = [axes.transData.transform((x, y)) for x, y, _ in points]
    taken = [_box(x, y, MARKER * scale, MARKER * scale) for x, y in centres]
    inside = axes.get_window_extent()
    for (x, y, label), (px, py) in zip(points, centres, strict=True):
        text = axes.annotate(
            label, (x, y), (0, 0), textcoords="offset points", ha="center", va="center",
            fontsize=FONT, zorder=5, path_effects=[HALO],
        )  # fmt: skip
        extent = text.get_window_extent()
        half = (extent.width / 2 + scale, extent.height / 2)
        for distance, dx, dy in _places(half[0] / scale, half[1] / scale):
            box = _box(px + dx * scale, py + dy * scale, *half)
            if _within(box, inside) and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                text.set_position((dx, dy))
                if distance >= LEADER_FROM:
                    _tie(axes, (x, y), _nearest(dx, half[0] / scale), _nearest(dy, half[1] / scale))
                break
        else:
            text.remove()


def _tie(axes: Axes, point: tuple[float, float], dx: float, dy: float) -> None:
    """A thin line from a point to its label's edge, so many points away."""
    line = {"arrowstyle": "-", "color": "#999999", "linewidth": 0.6, "shrinkA": 0, "shrinkB": 3}
    axes.annotate("", point, (dx, dy), textcoords="offset points", arrowprops=line, zorder=2)


def _nearest(centre: float, half: float) -> float:
    """Of a label's extent in one direction the part nearest to its point."""
    return min(max(0.0, centre - half), centre + half)


def _places(half_width: float, half_height: float) -> Iterator[tuple[float, float, float]]:
    """Distance and offset of a label's centre in points, near ones first, right before left."""
    for distance in DISTANCES:
        for step in range(DIRECTIONS):
            turn = (step + 1) // 2 * (1 if step % 2 else -1)
            angle = 2 * pi * turn / DIRECTIONS
            dx = (distance + half_width) * cos(angle)
            dy = (distance + half_height) * sin(angle)
            yield distance, dx, dy


def _box(x: float, y: float, half_width: float, half_height: float) -> Bbox:
    return Bbox.from_extents(x - half_width, y - half_height, x + half_width, y + half_height)


def _within(box: Bbox, frame: Bbox) -> bool:
    across = box.x0 >= frame.x0 and box.x1 <= frame.x1
    return bool(across and box.y0 >= frame.y0 and box.y1 <= frame.y1)
