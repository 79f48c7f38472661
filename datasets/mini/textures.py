"""mini-DTD: textures that fill the picture, in two colours of any hue."""

import numpy as np

from cl_bench.datasets.mini.canvas import Array, Canvas, Painter, join, spread

ANY = ("white", "black", "red", "orange", "yellow", "green", "teal", "blue", "navy", "violet",
       "purple", "pink", "cream", "brown", "grey", "slate", "tan", "lime")  # fmt: skip


def _ground(c: Canvas) -> Array:
    """Fill the picture with one colour and return another one that differs from it, [N, 3]."""
    ground, figure = c.any_colour(*ANY), c.any_colour(*ANY)
    near = np.abs(ground - figure).sum(1, keepdims=True) < 0.7
    figure = np.where(near, np.where(ground.mean(1, keepdims=True) > 0.5, 0.15, 0.9), figure)
    c.fill(c.everywhere(), ground)
    return figure


def _cell(field: Array, period: Array) -> Array:
    """Fold a coordinate into repeated cells around 0."""
    size = spread(period)
    return np.asarray(np.mod(field, size) - size / 2)


def striped(c: Canvas) -> None:
    """Draw parallel stripes."""
    c.fill(c.wave(c.vary(0.3, 0.7), c.vary(0, np.pi)), _ground(c))


def polka_dotted(c: Canvas) -> None:
    """Draw a lattice of dots."""
    period = c.vary(0.4, 0.65)
    row = np.floor(c.y / spread(period))
    x = _cell(c.x + row * spread(period) / 2, period)
    dots = np.hypot(x, _cell(c.y, period)) - spread(period * c.vary(0.24, 0.34))
    c.fill(dots, _ground(c))


def chequered(c: Canvas) -> None:
    """Draw a chessboard."""
    period = c.vary(0.45, 0.9)
    waves = np.sin(c.x * 2 * np.pi / spread(period)) * np.sin(c.y * 2 * np.pi / spread(period))
    c.fill(waves * spread(period) / 5, _ground(c))


def zigzagged(c: Canvas) -> None:
    """Draw parallel zigzag lines."""
    period = c.vary(0.4, 0.75)
    teeth = np.abs(_cell(c.x, period)) * spread(c.vary(0.8, 1.3))
    c.fill(c.wave(period * 0.9, np.pi / 2, teeth), _ground(c))


def grid(c: Canvas) -> None:
    """Draw thin lines in two directions."""
    period, half = c.vary(0.4, 0.7), spread(c.vary(0.03, 0.06))
    lines = join(np.abs(_cell(c.x, period)) - half, np.abs(_cell(c.y, period)) - half)
    c.fill(lines, _ground(c))


def honeycombed(c: Canvas) -> None:
    """Draw hexagonal cells with walls between them."""
    period = c.vary(0.5, 0.75)
    c.fill(0.42 * spread(period) - _hexagon(c, period), _ground(c))


def _hexagon(c: Canvas, period: Array) -> Array:
    """Return the hexagonal distance to the centre of the nearest cell."""
    size, high = spread(period), spread(period * np.float32(np.sqrt(3)))
    nearest = np.full(c.x.shape, 9.0)
    for shift in (0.0, 0.5):
        x = np.abs(np.mod(c.x + shift * size, size) - size / 2)
        y = np.abs(np.mod(c.y + shift * high, high) - high / 2)
        nearest = np.minimum(nearest, np.maximum(x, x * 0.5 + y * np.sqrt(0.75)))
    return nearest


def woven(c: Canvas) -> None:
    """Draw bands that pass over and under each other."""
    figure = _ground(c)
    period = c.vary(0.5, 0.8)
    size = spread(period)
    odd = np.mod(np.floor(c.x / size) + np.floor(c.y / size), 2) > 0.5
    x, y = np.abs(_cell(c.x, period)), np.abs(_cell(c.y, period))
    c.fill(np.where(odd, x, y) - 0.36 * size, figure)
    c.fill(np.where(odd, x, y) - 0.12 * size, figure * 0.6)


def spiralled(c: Canvas) -> None:
    """Draw one spiral from the middle."""
    angle, radius = np.arctan2(c.y, c.x), np.hypot(c.x, c.y)
    pitch = spread(c.vary(0.32, 0.5))
    c.fill(np.sin(radius * 2 * np.pi / pitch - angle) * pitch / 6, _ground(c))


def bubbly(c: Canvas) -> None:
    """Draw rings of many sizes with highlights."""
    figure = _ground(c)
    for _ in range(11):
        x, y, radius = c.vary(-1, 1), c.vary(-1, 1), c.vary(0.12, 0.36)
        c.fill(c.ellipse(x, y, radius), figure, alpha=0.35)
        c.fill(c.ring(x, y, radius, 0.06), figure)
        c.fill(c.ellipse(x - radius * 0.35, y - radius * 0.35, radius * 0.2), "white")


def cracked(c: Canvas) -> None:
    """Draw dark lines along the borders of irregular plates."""
    figure = _ground(c)
    first, second = np.full(c.x.shape, 9.0), np.full(c.x.shape, 9.0)
    for step in range(12):
        x, y = (
            c.vary(-0.2, 0.2) + (step % 4 - 1.5) * 0.55,
            c.vary(-0.25, 0.25) + (step // 4 - 1) * 0.75,
        )
        distance = np.hypot(c.x - spread(x), c.y - spread(y))
        second = np.minimum(second, np.maximum(first, distance))
        first = np.minimum(first, distance)
    c.fill((second - first) / 1.6 - spread(c.vary(0.04, 0.07)), figure * 0.5)


def marbled(c: Canvas) -> None:
    """Draw veins bent by smooth noise."""
    figure = _ground(c)
    veins = c.wave(c.vary(0.7, 1.1), c.vary(0, np.pi), 1.3 * c.cloud(4, 2))
    c.fill(c.everywhere(), figure, alpha=0.45 * c.cloud(5, 2))
    c.fill(np.abs(veins) - 0.035, figure)


def scaly(c: Canvas) -> None:
    """Draw overlapping rows of rounded scales."""
    figure = _ground(c)
    period = c.vary(0.5, 0.7)
    size = spread(period)
    for row in range(-5, 6):
        x = _cell(c.x + (row % 2) * size / 2, period)
        y = c.y - row * size / 2
        scale = np.hypot(x, y) - size * 0.5
        c.fill(scale, figure)
        c.fill(np.abs(scale) - 0.03, figure * 0.45)


CLASSES: dict[str, Painter] = {
    "bubbly": bubbly,
    "chequered": chequered,
    "cracked": cracked,
    "grid": grid,
    "honeycombed": honeycombed,
    "marbled": marbled,
    "polka-dotted": polka_dotted,
    "scaly": scaly,
    "spiralled": spiralled,
    "striped": striped,
    "woven": woven,
    "zigzagged": zigzagged,
}
