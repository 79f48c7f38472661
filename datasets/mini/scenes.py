"""mini-SUN397: places, indoors and outdoors."""

import numpy as np

from cl_bench.datasets.mini.canvas import Array, Canvas, Number, Painter, cut, join, meet, spread


def _sky(c: Canvas, *colours: str) -> None:
    c.fill(c.everywhere(), c.any_colour(*(colours or ("sky", "blue", "peach", "grey"))))
    c.fill(c.everywhere(), "white", alpha=0.6 * c.cloud(3, 2) * (c.y < 0))


def _ground(c: Canvas, height: Number, *colours: str) -> None:
    c.fill(spread(height) - c.y, c.any_colour(*colours))


def beach(c: Canvas) -> None:
    """Draw sand, sea, sky and a parasol."""
    _sky(c, "sky", "blue", "peach")
    _ground(c, c.vary(-0.2, 0.0), "blue", "teal", "navy")
    shore = 0.3 + 0.08 * np.sin(c.x * 3 + spread(c.vary(0, 6)))
    c.fill(shore - 0.08 - c.y, "white")
    c.fill(shore - c.y, "sand")
    x = c.vary(-0.6, 0.6)
    c.fill(c.line(x, 0.1, x, 0.75, 0.05), "brown")
    c.fill(meet(c.ellipse(x, 0.1, 0.36, 0.3), c.y - 0.1), c.any_colour("red", "orange", "white"))


def bedroom(c: Canvas) -> None:
    """Draw a bed with pillow and blanket, a window and a floor."""
    c.fill(c.everywhere(), c.any_colour("cream", "sky", "peach", "silver"))
    _ground(c, 0.55, "brown", "tan")
    c.fill(c.box(c.vary(-0.1, 0.6), -0.5, 0.26, 0.28), c.any_colour("sky", "navy"))
    c.fill(c.box(-0.75, 0.2, 0.07, 0.45), "chocolate")
    c.fill(c.box(0.05, 0.5, 0.8, 0.2, corner=0.05), "white")
    c.fill(
        c.box(0.2, 0.42, 0.65, 0.22, corner=0.08), c.any_colour("red", "blue", "green", "violet")
    )
    c.fill(c.ellipse(-0.5, 0.22, 0.2, 0.11), "white")


def bridge(c: Canvas) -> None:
    """Draw a suspension bridge over water."""
    _sky(c)
    _ground(c, 0.45, "blue", "teal", "slate")
    steel = c.any_colour("red", "slate", "orange", "silver")
    deck, x = c.vary(0.18, 0.3), c.vary(0.42, 0.55)
    cable = -0.62 + 0.75 * (1 - np.abs(np.abs(c.x) / spread(x) - 0.0)) ** 2 * (
        np.abs(c.x) < spread(x)
    )
    cable = cable + 1.2 * np.maximum(np.abs(c.x) - spread(x), 0)
    c.fill(np.abs(c.y - cable) * 0.6 - 0.03, steel)
    for side in (-1, 1):
        c.fill(c.box(side * x, 0.1, 0.07, 0.75), steel)
    c.fill(c.box(0, deck, 1.5, 0.06), steel * 0.7)


def corn_field(c: Canvas) -> None:
    """Draw rows of plants that run to the horizon."""
    _sky(c, "sky", "blue")
    horizon = -0.2 + c.vary(-0.1, 0.1)
    _ground(c, horizon, "brown", "leaf")
    depth = c.y - spread(horizon)
    fan = (c.x + spread(c.vary(-0.3, 0.3))) / (depth + 0.25)
    rows = np.sin(fan * 9) * 0.2 * (depth + 0.1)
    c.fill(meet(rows, -depth), c.any_colour("yellow", "lime", "green"))


def desert(c: Canvas) -> None:
    """Draw dunes under a pale sky, and a cactus."""
    _sky(c, "sky", "peach", "cream")
    far, near = spread(c.vary(-0.1, 0.1)), spread(c.vary(0.25, 0.5))
    c.fill(far - 0.14 * np.sin(c.x * 3 + near * 20) - c.y, "amber")
    c.fill(near - 0.16 * np.sin(c.x * 2.4 + far * 30) - c.y, "sand")
    x = c.vary(-0.6, 0.6)
    arms = c.path(
        [(x - 0.22, -0.1), (x - 0.22, 0.12), (x, 0.2), (x + 0.2, 0.1), (x + 0.2, -0.15)], 0.1
    )
    c.fill(join(c.line(x, -0.35, x, 0.6, 0.16), arms), "green")


def igloo(c: Canvas) -> None:
    """Draw a dome of snow blocks on the ice."""
    _sky(c, "sky", "navy", "blue")
    _ground(c, 0.42, "white", "silver")
    dome = meet(c.ellipse(0, 0.5, 0.72, 0.82), c.y - 0.5)
    c.fill(dome, "white")
    radius = np.hypot(c.x, c.y - 0.5)
    c.fill(meet(dome, np.abs(np.mod(radius, 0.24) - 0.12) - 0.03), "sky")
    c.fill(meet(c.ellipse(0.0, 0.5, 0.24, 0.34), c.y - 0.5), "navy")


def kitchen(c: Canvas) -> None:
    """Draw cupboards, a worktop, a stove and tiles."""
    c.fill(c.everywhere(), c.any_colour("white", "cream", "sky"))
    tiles = join(np.abs(np.mod(c.x, 0.3) - 0.15), np.abs(np.mod(c.y, 0.3) - 0.15)) - 0.015
    c.fill(tiles, "silver")
    wood = c.any_colour("brown", "white", "teal", "tan", "red")
    for x in (-0.62, 0.0, 0.62):
        c.fill(c.box(x, -0.72, 0.27, 0.26, corner=0.02), wood)
        c.fill(c.box(x, 0.62, 0.27, 0.38, corner=0.02), wood)
    c.fill(c.box(0, 0.2, 1.2, 0.06), "slate")
    at = c.vary(-0.4, 0.4)
    c.fill(c.box(at, 0.04, 0.2, 0.12, corner=0.05), c.any_colour("silver", "red", "black"))
    c.fill(c.box(at, -0.1, 0.22, 0.03), "black")


def lighthouse(c: Canvas) -> None:
    """Draw a banded tower by the sea."""
    _sky(c)
    _ground(c, c.vary(0.4, 0.6), "blue", "teal", "navy")
    x = c.vary(-0.3, 0.3)
    c.fill(c.ellipse(x, 1.0, 0.75, 0.36), c.any_colour("brown", "leaf", "grey"))
    tower: Array = c.polygon([(x - 0.2, 0.75), (x - 0.13, -0.5), (x + 0.13, -0.5), (x + 0.2, 0.75)])
    c.fill(tower, "white")
    bands = np.sin((c.y - 0.1) * 10) * 0.1
    c.fill(meet(tower, bands), c.any_colour("red", "red", "navy", "black"))
    c.fill(c.box(x, -0.6, 0.1, 0.12), "yellow")
    c.fill(c.polygon([(x - 0.18, -0.7), (x, -0.92), (x + 0.18, -0.7)]), "maroon")


def mountain(c: Canvas) -> None:
    """Draw snowy peaks behind a meadow or a lake."""
    _sky(c)
    for step, colour in enumerate(("slate", "grey")):
        x, top = c.vary(-0.6, 0.6), c.vary(-0.8, -0.4) + step * 0.2
        slope = c.vary(1.0, 1.5)
        ridge = spread(top) + spread(slope) * np.abs(c.x - spread(x)) + 0.2 * c.cloud(7) - c.y
        c.fill(ridge * 0.6, colour)
        c.fill(meet(ridge * 0.6, c.y - spread(top) - 0.45 + 0.25 * np.sin(c.x * 14)), "white")
    _ground(c, c.vary(0.45, 0.7), "green", "leaf", "forest", "teal")


def skyscraper(c: Canvas) -> None:
    """Draw towers with rows of lit windows."""
    _sky(c, "sky", "grey", "peach", "navy")
    for x, width in ((-0.6, 0.3), (0.65, 0.27), (0.05, 0.3)):
        top = c.vary(-0.9, -0.2) if x != 0.05 else c.vary(-0.95, -0.7)
        tower = c.box(x, (top + 1.2) / 2, width, (1.2 - top) / 2)
        c.fill(tower, c.any_colour("slate", "grey", "teal", "brown", "navy"))
        panes = meet(np.sin(c.x * 24) * 0.05, np.sin(c.y * 20) * 0.05, tower + 0.05)
        c.fill(cut(panes), c.any_colour("yellow", "sky", "cream"))


CLASSES: dict[str, Painter] = {
    "beach": beach,
    "bedroom": bedroom,
    "bridge": bridge,
    "corn field": corn_field,
    "desert": desert,
    "igloo": igloo,
    "kitchen": kitchen,
    "lighthouse": lighthouse,
    "mountain": mountain,
    "skyscraper": skyscraper,
}
