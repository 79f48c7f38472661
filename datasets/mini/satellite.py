"""mini-EuroSAT: land seen from far above."""

import numpy as np

from cl_bench.datasets.mini.canvas import Array, Canvas, Painter, spread


def _land(c: Canvas, *colours: str, rough: float = 0.5) -> None:
    c.fill(c.everywhere(), c.any_colour(*colours))
    c.fill(c.everywhere(), c.any_colour("forest", "brown", "sand"), alpha=rough * c.cloud(4, 3))


def _patchwork(c: Canvas, colours: tuple[str, ...], size: float) -> None:
    """Paint a lattice of fields, each of its own colour."""
    scale = c.vary(0.85, 1.2) * size
    column, row = np.floor(c.x / spread(scale)), np.floor(c.y / spread(scale * 0.7))
    seed = spread(c.vary(0, 50))
    value = np.mod(np.abs(np.sin(column * 12.99 + row * 78.23 + seed) * 437.58), 1)
    for step, name in enumerate(colours):
        c.fill(np.where(np.floor(value * len(colours)) == step, -0.1, 0.1), name)


def annual_crop(c: Canvas) -> None:
    """Paint large fields of different crops."""
    _patchwork(c, ("lime", "tan", "leaf", "brown", "sand"), 0.75)


def forest(c: Canvas) -> None:
    """Paint dense dark crowns."""
    _land(c, "forest", rough=0.2)
    c.fill(0.52 - c.cloud(11, 2), "leaf", alpha=0.7)


def vegetation(c: Canvas) -> None:
    """Paint shrubs and bare patches."""
    _land(c, "leaf", "tan", rough=0.3)
    c.fill(0.1 * (c.cloud(8) - 0.42), "forest", alpha=0.9)
    c.fill(0.1 * (c.cloud(5) - 0.3), "sand", alpha=0.7)


def _band(c: Canvas, half: Array, bend: float) -> Array:
    """Return a band that crosses the picture, straight or winding."""
    phase = spread(c.vary(0, 6))
    swing = bend * np.sin(c.y * spread(c.vary(2.0, 3.5)) + phase)
    return np.asarray(np.abs(c.x + swing) - spread(half))


def highway(c: Canvas) -> None:
    """Paint a straight road with its middle line, and a slip road."""
    _land(c, "leaf", "lime", "tan")
    road = _band(c, c.vary(0.12, 0.17), 0.03)
    slip = np.abs(c.x - 0.6 * c.y - spread(c.vary(-0.5, 0.5))) - 0.06
    c.fill(slip, "silver")
    c.fill(road, "grey")
    c.fill(road + 0.11, "white")


def industrial(c: Canvas) -> None:
    """Paint large flat roofs on grey ground."""
    _land(c, "grey", "silver", rough=0.2)
    for x, y in ((-0.5, -0.55), (0.45, -0.4), (-0.4, 0.45), (0.55, 0.5)):
        roof = c.box(x + c.vary(-0.1, 0.1), y, c.vary(0.2, 0.42), c.vary(0.18, 0.34))
        c.fill(roof + 0.0 * c.x, c.any_colour("white", "silver", "sky", "slate", "maroon"))


def pasture(c: Canvas) -> None:
    """Paint even green meadows with a hedge."""
    _land(c, "lime", "green", rough=0.25)
    hedge = np.abs(c.x * 0.4 + c.y - spread(c.vary(-0.6, 0.6))) - 0.05
    c.fill(hedge, "forest")


def permanent_crop(c: Canvas) -> None:
    """Paint rows of trees or vines."""
    _land(c, "sand", "tan", "brown", rough=0.2)
    turn, period = c.vary(0, np.pi), c.vary(0.26, 0.4)
    dots = c.wave(period, turn) + 0.5 * c.wave(period, turn + np.pi / 2)
    c.fill(dots, c.any_colour("forest", "leaf", "green"))


def residential(c: Canvas) -> None:
    """Paint rows of small red roofs, gardens and streets."""
    _land(c, "leaf", "green", "grey", rough=0.3)
    c.fill(np.abs(c.x - spread(c.vary(-0.3, 0.3))) - 0.07, "silver")
    for column in (-0.8, -0.42, 0.42, 0.8):
        for row in (-0.75, -0.25, 0.25, 0.75):
            x, y = column + c.vary(-0.07, 0.07), row + c.vary(-0.07, 0.07)
            c.fill(c.box(x, y, 0.13, 0.11), c.any_colour("maroon", "red", "orange", "slate"))


def river(c: Canvas) -> None:
    """Paint a winding river with sandy banks."""
    _land(c, "leaf", "green", "tan")
    water = _band(c, c.vary(0.17, 0.3), 0.3)
    c.fill(water - 0.05, "sand")
    c.fill(water, c.any_colour("navy", "blue", "teal"))


def sea_lake(c: Canvas) -> None:
    """Paint open water, sometimes with a shore."""
    c.fill(c.everywhere(), c.any_colour("navy", "blue", "teal"))
    c.fill(c.everywhere(), "black", alpha=0.4 * c.cloud(3, 2))
    coast = c.x + 0.25 * c.cloud(4) - spread(c.vary(0.6, 1.8))
    c.fill(-coast, c.any_colour("sand", "leaf"))


CLASSES: dict[str, Painter] = {
    "annual crop land": annual_crop,
    "forest": forest,
    "brushland": vegetation,
    "highway or road": highway,
    "industrial buildings": industrial,
    "pasture land": pasture,
    "permanent crop land": permanent_crop,
    "residential buildings": residential,
    "river": river,
    "sea or lake": sea_lake,
}
