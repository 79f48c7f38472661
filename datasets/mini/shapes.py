"""Plain figures for pretraining only: concepts that no domain of the suite asks for."""

import numpy as np

from cl_bench.datasets.mini.canvas import Canvas, Painter, cut, join

PAINTS = ("red", "blue", "green", "yellow", "violet", "orange", "black", "white", "pink", "brown")


def disc(c: Canvas) -> None:
    """Draw a filled circle."""
    c.fill(c.ellipse(0, 0, c.vary(0.4, 0.8)), c.any_colour(*PAINTS))


def square(c: Canvas) -> None:
    """Draw a filled square."""
    side = c.vary(0.4, 0.75)
    c.fill(c.box(0, 0, side, side), c.any_colour(*PAINTS))


def triangle(c: Canvas) -> None:
    """Draw a filled triangle."""
    c.fill(c.polygon([(0, -0.8), (0.8, 0.6), (0, 0.6)], mirror=True), c.any_colour(*PAINTS))


def ring(c: Canvas) -> None:
    """Draw a thick circle."""
    c.fill(c.ring(0, 0, c.vary(0.5, 0.75), c.vary(0.1, 0.3)), c.any_colour(*PAINTS))


def cross(c: Canvas) -> None:
    """Draw a plus sign."""
    arm = c.vary(0.12, 0.28)
    c.fill(join(c.box(0, 0, 0.8, arm), c.box(0, 0, arm, 0.8)), c.any_colour(*PAINTS))


def heart(c: Canvas) -> None:
    """Draw a heart."""
    lobes = [c.ellipse(side * 0.36, -0.25, 0.42) for side in (-1, 1)]
    tip = c.polygon([(0, -0.2), (0.72, -0.05), (0, 0.8)], mirror=True)
    c.fill(join(*lobes, tip), c.any_colour("red", "rose", "pink", "maroon"))


def moon(c: Canvas) -> None:
    """Draw a crescent."""
    hole = c.ellipse(c.vary(0.25, 0.45), -0.1, 0.65)
    c.fill(cut(c.ellipse(0, 0, 0.75), hole), c.any_colour("yellow", "white", "silver"))


def star(c: Canvas) -> None:
    """Draw a five-pointed star."""
    points = [
        (np.sin(step * np.pi / 5) * reach, -np.cos(step * np.pi / 5) * reach)
        for step, reach in enumerate((0.85, 0.36) * 5)
    ]
    c.fill(c.polygon(points), c.any_colour("yellow", "red", "white", "blue"))


def arrow(c: Canvas) -> None:
    """Draw an arrow."""
    head = c.polygon([(0.1, -0.5), (0.85, 0), (0.1, 0.5)])
    c.fill(join(head, c.box(-0.35, 0, 0.5, 0.16)), c.any_colour(*PAINTS))


def key(c: Canvas) -> None:
    """Draw a key with two teeth."""
    teeth = [c.box(x, 0.15, 0.07, 0.2) for x in (0.5, 0.75)]
    shank = c.box(0.3, 0, 0.55, 0.09)
    c.fill(
        join(c.ring(-0.5, 0, 0.28, 0.17), shank, *teeth), c.any_colour("amber", "silver", "slate")
    )


def apple(c: Canvas) -> None:
    """Draw an apple with its leaf."""
    body = join(c.ellipse(-0.25, 0.1, 0.45, 0.6), c.ellipse(0.25, 0.1, 0.45, 0.6))
    c.fill(body, c.any_colour("red", "lime", "yellow"))
    c.fill(c.line(0, -0.4, 0.1, -0.8, 0.09), "brown")
    c.fill(c.ellipse(0.32, -0.7, 0.22, 0.1), "green")


def ladder(c: Canvas) -> None:
    """Draw two rails and their rungs."""
    rails = [c.line(side * 0.35, -0.9, side * 0.35, 0.9, 0.12) for side in (-1, 1)]
    rungs = [c.line(-0.35, y, 0.35, y, 0.1) for y in (-0.6, -0.2, 0.2, 0.6)]
    c.fill(join(*rails, *rungs), c.any_colour("brown", "silver", "tan"))


CLASSES: dict[str, Painter] = {
    "apple": apple,
    "arrow": arrow,
    "circle": disc,
    "cross": cross,
    "heart": heart,
    "key": key,
    "ladder": ladder,
    "moon": moon,
    "ring": ring,
    "square": square,
    "star": star,
    "triangle": triangle,
}
