"""A batch of 32x32 pictures drawn together from signed distances, with numpy only.

Coordinates run from -1 to 1, x to the right and y down, in the frame of the subject: ``pose`` turns,
scales and shifts that frame for every picture on its own. A distance field has shape [N, 32, 32], is
negative inside a shape, and ``np.minimum``/``np.maximum`` of two fields is their union/intersection.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_bench.datasets.mini.palette import PALETTE
from cl_bench.datasets.mini.style import Style

SIZE = 32
Array = NDArray[np.floating[Any]]
Number = float | Array  # one value for all pictures, or [N]
Colour = str | Array  # a name of the palette, or [N, 3], or a colour per pixel [N, 3, 32, 32]


class Canvas:
    """``count`` pictures, ``pixels`` [N, 3, 32, 32] in 0..1, painted from back to front."""

    def __init__(self, count: int, rng: np.random.Generator, style: Style) -> None:
        """Start with plain paper and an upright frame."""
        self.count, self.rng, self.style = count, rng, style
        self.pixels = np.broadcast_to(
            style.paper.astype(np.float32)[:, :, None, None], (count, 3, SIZE, SIZE)
        ).copy()
        steps = (np.arange(SIZE, dtype=np.float32) + 0.5) * (2 / SIZE) - 1
        y, x = np.meshgrid(steps, steps, indexing="ij")
        self.screen_x, self.screen_y = x[None], y[None]
        angle = self.vary(0, 2 * np.pi)
        light = spread(np.cos(angle)) * x + spread(np.sin(angle)) * y
        self.tone = (1 + spread(style.relief) * 0.6 * light)[:, None]
        self.pose(turn=0, scale=(1, 1), shift=0, flip=False)

    def pose(
        self,
        turn: float,
        scale: tuple[float, float],
        shift: float,
        flip: bool = True,
    ) -> None:
        """Draw a new frame per picture: turned by up to ``turn`` radians, scaled, shifted."""
        angle, size = spread(self.vary(-turn, turn)), spread(self.vary(*scale))
        x = self.screen_x - spread(self.vary(-shift, shift))
        y = self.screen_y - spread(self.vary(-shift, shift))
        mirror = np.where(spread(self.chance(0.5 if flip else 0)), -1, 1)
        aspect = spread(self.vary(0.9, 1.1) if turn or shift else np.ones(self.count))
        cos, sin = np.cos(angle), np.sin(angle)
        self.x = ((cos * x + sin * y) / size * mirror * aspect).astype(np.float32)
        self.y = ((cos * y - sin * x) / size).astype(np.float32)
        self.pixel = (2 / SIZE / size).astype(np.float32)

    def vary(self, low: float, high: float) -> Array:
        """Return one uniform number per picture, [N]."""
        return self.rng.uniform(low, high, self.count).astype(np.float32)

    def chance(self, probability: float) -> NDArray[np.bool_]:
        """Return one biased coin per picture, [N]."""
        return self.rng.random(self.count) < probability

    def colour(self, name: str, jitter: float = 0.07) -> Array:
        """Return a palette colour, a little different in every picture, [N, 3]."""
        shade = self.rng.normal(0, jitter, (self.count, 1))
        hue = self.rng.normal(0, jitter * 0.5, (self.count, 3))
        return np.clip(np.asarray(PALETTE[name]) + shade + hue, 0, 1)

    def any_colour(self, *names: str) -> Array:
        """Return one of the named colours per picture, [N, 3]."""
        options = np.stack([self.colour(name) for name in names])
        return np.asarray(
            options[self.rng.integers(len(names), size=self.count), range(self.count)]
        )

    def cloud(self, cells: int, octaves: int = 1) -> Array:
        """Return smooth noise in 0..1 with ``cells`` bumps across, in screen space, [N, 32, 32]."""
        total = np.zeros((self.count, SIZE, SIZE), np.float32)
        for octave in range(octaves):
            knots = cells * 2**octave + 1
            grid = self.rng.random((self.count, knots, knots), dtype=np.float32)
            total += (lift(knots) @ grid @ lift(knots).T) * 0.5**octave
        return total / sum(0.5**octave for octave in range(octaves))

    def fill(self, distance: Array, colour: Colour, alpha: Number = 1.0) -> None:
        """Paint the inside of a shape, and its contour where the style has contours."""
        style = self.style
        solid = self.colour(colour) if isinstance(colour, str) else colour
        if solid.ndim == 2:
            solid = solid[:, :, None, None]
        edge = np.clip(1 + distance / 0.25, 0, 1)
        solid = solid * (self.tone * (1 - spread(style.relief) * edge)[:, None])
        paper = style.paper[:, :, None, None]
        solid = solid + spread(style.wash)[:, None] * (paper - solid)
        cover = np.clip(0.5 - distance / self.pixel, 0, 1) * spread(alpha)
        self._blend(cover, solid)
        if style.outline.any():
            line = np.clip(1.1 - np.abs(distance) / self.pixel, 0, 1) * spread(alpha)
            self._blend(line * spread(style.outline), style.ink[:, :, None, None])

    def _blend(self, cover: Array, colour: Array) -> None:
        self.pixels += (cover[:, None] * (colour - self.pixels)).astype(np.float32)

    def finish(self) -> NDArray[np.uint8]:
        """Apply the style's clutter, tint and noise and return the pictures, [N, 3, 32, 32]."""
        if self.style.clutter.any():
            self._occlude()
        mixed = np.einsum("nij,njhw->nihw", self.style.tint, self.pixels)
        gain = self.vary(0.85, 1.15)[:, None, None, None]
        grain = self.rng.standard_normal(mixed.shape, dtype=np.float32)
        noisy = mixed * gain + grain * self.style.noise[:, None, None, None]
        pictures: NDArray[np.uint8] = np.clip(noisy * 255 + 0.5, 0, 255).astype(np.uint8)
        return pictures

    def _occlude(self) -> None:
        """Put a bar or a blob of some grey or green in front of some pictures."""
        angle = spread(self.vary(0, np.pi))
        along = np.cos(angle) * self.screen_x + np.sin(angle) * self.screen_y
        bar = np.abs(along - spread(self.vary(-0.8, 0.8))) - spread(self.vary(0.04, 0.12))
        far = np.where(spread(self.style.clutter), 0.0, 9.0)
        self.fill(bar + far, self.any_colour("grey", "leaf", "brown", "white"))

    # Shapes. Each returns a distance field [N, 32, 32]; parameters may differ per picture.

    def ellipse(self, x: Number, y: Number, rx: Number, ry: Number | None = None) -> Array:
        """Return a disc, or an ellipse where ``ry`` is given (distance exact for discs only)."""
        wide, high = spread(rx), spread(rx if ry is None else ry)
        radius = np.hypot((self.x - spread(x)) / wide, (self.y - spread(y)) / high)
        return np.asarray((radius - 1) * np.minimum(wide, high))

    def ring(self, x: Number, y: Number, radius: Number, width: Number) -> Array:
        """Return a circle drawn with a pen ``width`` wide."""
        return np.asarray(np.abs(self.ellipse(x, y, radius)) - spread(width) / 2)

    def box(
        self, x: Number, y: Number, rx: Number, ry: Number, corner: float = 0, turn: Number = 0
    ) -> Array:
        """Return a box of half sizes ``rx``, ``ry`` with rounded corners, turned clockwise."""
        dx, dy = self.x - spread(x), self.y - spread(y)
        cos, sin = np.cos(spread(turn)), np.sin(spread(turn))
        across = np.abs(cos * dx + sin * dy) - spread(rx) + corner
        down = np.abs(cos * dy - sin * dx) - spread(ry) + corner
        outside = np.hypot(np.maximum(across, 0), np.maximum(down, 0))
        return np.asarray(outside + np.minimum(np.maximum(across, down), 0) - corner)

    def line(self, x1: Number, y1: Number, x2: Number, y2: Number, width: Number) -> Array:
        """Return a stroke with round ends from (x1, y1) to (x2, y2)."""
        dx, dy = spread(x2) - spread(x1), spread(y2) - spread(y1)
        px, py = self.x - spread(x1), self.y - spread(y1)
        along = np.clip((px * dx + py * dy) / (dx * dx + dy * dy + 1e-9), 0, 1)
        return np.asarray(np.hypot(px - along * dx, py - along * dy) - spread(width) / 2)

    def path(self, points: Sequence[tuple[Number, Number]], width: Number) -> Array:
        """Return a stroke through ``points``."""
        return join(*(self.line(*start, *end, width) for start, end in pairwise(points)))

    def polygon(self, points: Sequence[tuple[Number, Number]], mirror: bool = False) -> Array:
        """Return a polygon; with ``mirror``, the half with x >= 0 (integer 0 marks the seam)."""
        x = np.abs(self.x) if mirror else self.x
        nearest, inside = np.full(x.shape, 9.0, np.float32), np.zeros(x.shape, bool)
        for (x1, y1), (x2, y2) in zip(points, [*points[1:], points[0]], strict=True):
            ax, ay, bx, by = spread(x1), spread(y1), spread(x2), spread(y2)
            ex, ey, px, py = bx - ax, by - ay, x - ax, self.y - ay
            along = np.clip((px * ex + py * ey) / (ex * ex + ey * ey + 1e-9), 0, 1)
            seam = mirror and isinstance(x1, int) and isinstance(x2, int) and x1 == x2 == 0
            if not seam:
                nearest = np.minimum(nearest, np.hypot(px - along * ex, py - along * ey))
            # A ray to the right crosses the edge: the point changes sides.
            inside ^= ((ay > self.y) != (by > self.y)) & ((px * ey < py * ex) == (ey > 0))
        return np.where(inside, -nearest, nearest)

    def petals(
        self, count: int, middle: Number, length: Number, width: Number, phase: Number = 0
    ) -> Array:
        """Return ``count`` ellipses around the origin, centred at radius ``middle``."""
        sector = 2 * np.pi / count
        angle = np.arctan2(self.y, self.x) + spread(phase)
        angle = np.mod(angle, sector) - sector / 2
        radius = np.hypot(self.x, self.y)
        dx, dy = radius * np.cos(angle) - spread(middle), radius * np.sin(angle)
        scaled = np.hypot(dx / spread(length), dy / spread(width)) - 1
        return np.asarray(scaled * np.minimum(spread(length), spread(width)))

    def wave(self, period: Number, turn: Number = 0, bend: Array | float = 0) -> Array:
        """Return parallel stripes, half of each ``period`` inside, turned and bent by a field."""
        cos, sin = np.cos(spread(turn)), np.sin(spread(turn))
        along = cos * self.x + sin * self.y + bend
        return np.asarray(np.sin(along * 2 * np.pi / spread(period)) * spread(period) / 6)

    def everywhere(self) -> Array:
        """Return a shape that covers the picture and whose contour lies outside it."""
        return np.full((self.count, SIZE, SIZE), -9.0, np.float32)


Painter = Callable[[Canvas], None]


def spread(value: Number | NDArray[np.bool_] | int) -> Any:
    """Return [N] as [N, 1, 1], and anything else unchanged."""
    is_batch = isinstance(value, np.ndarray) and value.ndim == 1
    return value[:, None, None] if is_batch else value  # type: ignore[index]


def join(*fields: Array) -> Array:
    """Return the union of shapes."""
    return np.asarray(np.minimum.reduce(fields))


def cut(shape: Array, *holes: Array) -> Array:
    """Return ``shape`` without ``holes``."""
    return np.asarray(np.maximum.reduce([shape, *(-hole for hole in holes)]))


def meet(*fields: Array) -> Array:
    """Return the intersection of shapes."""
    return np.asarray(np.maximum.reduce(fields))


def only(chosen: NDArray[np.bool_], shape: Array) -> Array:
    """Return ``shape`` in the ``chosen`` [N] pictures and nothing in the others."""
    return np.where(spread(chosen), shape, 9.0)


def lift(knots: int) -> Array:
    """Return the [32, knots] matrix that interpolates ``knots`` values to a row of pixels."""
    at = np.linspace(0, knots - 1, SIZE)
    nearness = 1 - np.abs(at[:, None] - np.arange(knots)[None])
    smooth = np.clip(nearness, 0, 1)
    return np.asarray(smooth * smooth * (3 - 2 * smooth)).astype(np.float32)
