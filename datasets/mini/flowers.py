"""mini-Flowers: blossoms in front of leaves."""

import numpy as np

from cl_bench.datasets.mini.canvas import Canvas, Painter, cut, join, meet, spread


def daisy(c: Canvas) -> None:
    """Draw many narrow white petals around a yellow disc."""
    c.fill(
        c.petals(14, 0.55, 0.35, c.vary(0.07, 0.1), c.vary(0, 1)),
        c.any_colour("white", "white", "pink"),
    )
    c.fill(c.ellipse(0, 0, c.vary(0.2, 0.27)), "yellow")


def sunflower(c: Canvas) -> None:
    """Draw two wreaths of yellow petals around a large brown disc."""
    turn = c.vary(0, 1)
    c.fill(c.petals(14, 0.65, 0.3, 0.13, turn), "amber")
    c.fill(c.petals(14, 0.58, 0.3, 0.13, turn + 0.22), "yellow")
    c.fill(c.ellipse(0, 0, c.vary(0.4, 0.48)), "chocolate")
    c.fill(c.ring(0, 0, 0.3, 0.07), "brown")


def poppy(c: Canvas) -> None:
    """Draw four broad red petals around a black heart."""
    turn = c.vary(0, 1.5)
    colour = c.any_colour("red", "red", "orange")
    c.fill(c.petals(2, 0.45, 0.4, 0.5, turn), colour * 0.75)
    c.fill(c.petals(2, 0.45, 0.4, 0.46, turn + np.pi / 2), colour)
    c.fill(c.ellipse(0, 0, c.vary(0.15, 0.22)), "black")


def rose(c: Canvas) -> None:
    """Draw a round bloom whose petals spiral inwards."""
    colour = c.any_colour("rose", "red", "pink", "white", "peach")
    c.fill(c.petals(5, 0.5, 0.33, 0.42, c.vary(0, 1)), colour * 0.8)
    c.fill(c.ellipse(0, 0, 0.62), colour)
    angle, radius = np.arctan2(c.y, c.x), np.hypot(c.x, c.y)
    twist = radius * 26 - angle * 2 + spread(c.vary(0, 6))
    c.fill(meet(np.sin(twist) * 0.06, radius - 0.6), colour * 0.62)


def tulip(c: Canvas) -> None:
    """Draw a cup of three pointed petals on a stem."""
    colour = c.any_colour("red", "pink", "yellow", "purple", "orange")
    c.fill(c.line(0, 0.2, c.vary(-0.15, 0.15), 1.2, 0.1), "green")
    c.fill(c.polygon([(0.1, 1.1), (0.5, 0.35), (0.36, 0.95), (0.1, 1.2)], mirror=True), "leaf")
    c.fill(
        c.polygon([(0, -0.2), (0.5, -0.75), (0.46, 0.05), (0.2, 0.35), (0, 0.38)], True),
        colour * 0.85,
    )
    c.fill(c.ellipse(0, -0.12, 0.26, 0.5), colour)


def iris(c: Canvas) -> None:
    """Draw three upright and three falling violet petals with yellow tongues."""
    colour = c.any_colour("violet", "purple", "navy")
    c.fill(c.line(0, 0.3, 0, 1.2, 0.09), "green")
    for side, drop in ((-1, 0.3), (1, 0.3), (0, 0.55)):
        c.fill(c.ellipse(side * 0.48, drop, 0.25 if side else 0.2, 0.36), colour)
        c.fill(c.line(side * 0.2, 0.1, side * 0.42, drop, 0.1), "yellow")
    for side in (-1, 1):
        c.fill(c.ellipse(side * 0.22, -0.42, 0.22, 0.45), colour * 1.35)


def daffodil(c: Canvas) -> None:
    """Draw six pointed yellow petals around an orange trumpet."""
    turn = c.vary(0, 1)
    c.fill(c.petals(6, 0.5, 0.42, 0.2, turn), c.any_colour("yellow", "cream"))
    c.fill(c.ellipse(0, 0, c.vary(0.3, 0.36)), "orange")
    c.fill(c.ellipse(0, 0, 0.18), "brown")


def bluebell(c: Canvas) -> None:
    """Draw a bent stem with hanging blue bells."""
    colour = c.any_colour("blue", "violet", "navy")
    c.fill(c.path([(-0.5, 1.1), (-0.25, 0.1), (0.0, -0.55), (0.45, -0.75)], 0.08), "green")
    for x, y in ((-0.42, 0.1), (-0.1, 0.38), (0.1, -0.2), (0.52, -0.38)):
        bell = join(c.ellipse(x, y, 0.17, 0.24), c.box(x, y + 0.17, 0.19, 0.07, corner=0.03))
        c.fill(bell, colour)


def dandelion(c: Canvas) -> None:
    """Draw a ball of fine yellow or silver rays."""
    colour = c.any_colour("yellow", "yellow", "silver")
    c.fill(c.line(0, 0, c.vary(-0.2, 0.2), 1.3, 0.08), "lime")
    c.fill(c.petals(23, 0.4, 0.42, 0.04, c.vary(0, 1)), colour)
    c.fill(c.petals(17, 0.3, 0.3, 0.045, c.vary(0, 1)), colour * 0.85)
    c.fill(c.ellipse(0, 0, 0.13), colour * 0.7)


def water_lily(c: Canvas) -> None:
    """Draw a fan of pointed petals that floats on a round leaf."""
    colour = c.any_colour("pink", "white", "rose")
    leaf = cut(c.ellipse(0, 0.4, 0.92, 0.36), c.polygon([(0.1, 0.4), (1, 0.25), (1, 0.5)]))
    c.fill(leaf, "forest")
    for turn in (-1.15, 1.15, -0.7, 0.7, -0.3, 0.3, 0.0):
        x, y = np.sin(turn) * 0.75, 0.42 - np.cos(turn) * 0.85
        c.fill(
            c.polygon([(0, 0.5), (x - 0.14, y + 0.3), (x, y), (x + 0.14, y + 0.3)]),
            colour * (1 - 0.12 * abs(turn)),
        )
    c.fill(c.ellipse(0, 0.3, 0.12, 0.1), "yellow")


def backdrop(c: Canvas) -> None:
    """Paint leaves, a meadow or earth, out of focus."""
    c.fill(c.everywhere(), c.any_colour("leaf", "forest", "green", "brown", "teal"))
    c.fill(
        c.everywhere(), c.any_colour("lime", "black", "forest", "tan"), alpha=0.8 * c.cloud(3, 2)
    )


CLASSES: dict[str, Painter] = {
    "bluebell": bluebell,
    "daffodil": daffodil,
    "daisy": daisy,
    "dandelion": dandelion,
    "iris": iris,
    "poppy": poppy,
    "rose": rose,
    "sunflower": sunflower,
    "tulip": tulip,
    "water lily": water_lily,
}
