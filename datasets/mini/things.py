"""mini-CIFAR100: small things and animals, seen from a distance."""

import numpy as np

from cl_bench.datasets.mini.canvas import Canvas, Painter, cut, join, meet, spread


def bottle(c: Canvas) -> None:
    """Draw a bottle with a label."""
    glass = c.any_colour("green", "brown", "teal", "sky", "maroon")
    c.fill(
        join(c.box(0, 0.32, 0.34, 0.6, corner=0.12), c.box(0, -0.55, 0.12, 0.36, corner=0.04)),
        glass,
    )
    c.fill(c.box(0, 0.38, 0.34, 0.24), c.any_colour("white", "cream", "yellow", "red"))
    c.fill(c.box(0, -0.88, 0.14, 0.08), c.any_colour("red", "amber", "black"))


def clock(c: Canvas) -> None:
    """Draw a dial with two hands at any time."""
    c.fill(c.ellipse(0, 0, 0.85), c.any_colour("brown", "black", "red", "amber", "navy"))
    c.fill(c.ellipse(0, 0, 0.7), "white")
    c.fill(c.petals(12, 0.6, 0.07, 0.035), "slate")
    for length, width in ((0.52, 0.07), (0.34, 0.1)):
        angle = c.vary(0, 2 * np.pi)
        c.fill(c.line(0, 0, np.cos(angle) * length, np.sin(angle) * length, width), "black")


def crab(c: Canvas) -> None:
    """Draw a shell, bent legs and two claws."""
    shell = c.any_colour("red", "orange", "maroon", "brown")
    for side in (-1, 1):
        for y in (0.1, 0.28, 0.45):
            c.fill(
                c.path([(side * 0.4, y), (side * 0.75, y - 0.05), (side * 0.88, y + 0.3)], 0.09),
                shell,
            )
        c.fill(c.path([(side * 0.4, 0), (side * 0.7, -0.3), (side * 0.6, -0.5)], 0.13), shell)
        claw = cut(
            c.ellipse(side * 0.55, -0.62, 0.25, 0.27), c.ellipse(side * 0.45, -0.84, 0.11, 0.22)
        )
        c.fill(claw, shell)
    c.fill(c.ellipse(0, 0.2, 0.53, 0.38), shell)
    for side in (-1, 1):
        c.fill(c.ellipse(side * 0.17, -0.1, 0.09), "black")


def fish(c: Canvas) -> None:
    """Draw a striped body, fins and a tail."""
    colour = c.any_colour("orange", "yellow", "sky", "silver", "rose", "blue")
    c.fill(c.polygon([(-0.4, 0), (-0.92, -0.42), (-0.8, 0), (-0.92, 0.42)]), colour * 0.8)
    c.fill(c.polygon([(-0.2, -0.3), (0.25, -0.72), (0.35, -0.25)]), colour * 0.8)
    body = c.ellipse(0.12, 0, 0.68, 0.42)
    c.fill(body, colour)
    c.fill(
        meet(body, c.wave(c.vary(0.35, 0.6))), c.any_colour("white", "navy", "orange"), alpha=0.7
    )
    c.fill(c.ellipse(0.5, -0.1, 0.12), "white")
    c.fill(c.ellipse(0.52, -0.1, 0.07), "black")


def house(c: Canvas) -> None:
    """Draw walls, a roof, a door and a window."""
    c.fill(c.box(0.42, -0.55, 0.1, 0.3), "maroon")
    c.fill(c.box(0, 0.35, 0.65, 0.5), c.any_colour("white", "cream", "amber", "brown", "sky"))
    roof = c.any_colour("red", "maroon", "slate", "brown")
    c.fill(c.polygon([(0, -0.85), (0.88, -0.1), (0, -0.1)], mirror=True), roof)
    c.fill(c.box(-0.28, 0.55, 0.15, 0.3), c.any_colour("brown", "green", "blue"))
    c.fill(c.box(0.28, 0.3, 0.19, 0.19), "sky")


def mushroom(c: Canvas) -> None:
    """Draw a dotted cap on a stalk."""
    c.fill(c.polygon([(0, -0.1), (0.16, -0.1), (0.25, 0.85), (0, 0.9)], mirror=True), "cream")
    cap = meet(c.ellipse(0, 0.0, 0.85, 0.75), c.y - 0.02)
    c.fill(cap, c.any_colour("red", "brown", "orange", "tan"))
    for x, y in ((-0.45, -0.22), (0.05, -0.5), (0.45, -0.2), (0.0, -0.16)):
        c.fill(c.ellipse(x, y, 0.1), "white")


def palm_tree(c: Canvas) -> None:
    """Draw a bent trunk and a crown of long leaves."""
    bend = c.vary(-0.3, 0.3)
    c.fill(c.path([(bend, 1.1), (bend * 0.4, 0.3), (0, -0.4)], 0.15), "brown")
    for angle in (0.0, 0.55, 1.15, 2.0, 2.6, 3.14, 4.3, 5.1):
        x, y = np.cos(angle) * 0.75, -0.4 + np.sin(angle) * 0.42
        c.fill(
            c.path([(0, -0.42), (x * 0.6, y - 0.15), (x, y + 0.1)], 0.13),
            c.any_colour("green", "leaf"),
        )


def rocket(c: Canvas) -> None:
    """Draw a body with fins, a porthole and a flame."""
    c.fill(
        c.polygon([(0, 0.5), (0.2, 0.5), (0.05, 1.0), (0, 1.0)], True),
        c.any_colour("orange", "yellow"),
    )
    trim = c.any_colour("red", "blue", "orange", "green")
    c.fill(c.polygon([(0.2, 0.05), (0.52, 0.5), (0.5, 0.72), (0.2, 0.5)], mirror=True), trim)
    hull = c.polygon([(0, -0.95), (0.2, -0.55), (0.27, -0.1), (0.22, 0.55), (0, 0.55)], mirror=True)
    c.fill(hull, c.any_colour("white", "silver", "cream"))
    c.fill(meet(hull, c.y + 0.58), trim)
    c.fill(c.ellipse(0, -0.22, 0.13), "navy")


def snake(c: Canvas) -> None:
    """Draw a winding body with a head and bands."""
    skin = c.any_colour("green", "brown", "lime", "orange", "slate")
    phase, swing = spread(c.vary(0, 6)), spread(c.vary(0.3, 0.42))
    body = np.abs(c.y - swing * np.sin(c.x * 5 + phase)) * 0.55 - 0.11
    body = meet(body, np.abs(c.x) - 0.85)
    c.fill(body, skin)
    c.fill(meet(body, c.wave(0.26)), skin * 0.55)
    head = (swing * np.sin(0.82 * 5 + phase))[:, 0, 0]
    c.fill(c.ellipse(0.82, head, 0.17, 0.14), skin)
    c.fill(c.ellipse(0.87, head - 0.03, 0.045), "black")


def television(c: Canvas) -> None:
    """Draw a screen with a picture, a frame and an aerial."""
    for side in (-1, 1):
        c.fill(c.line(0, -0.5, side * 0.35, -0.95, 0.05), "slate")
    c.fill(c.box(0, 0.12, 0.85, 0.63, corner=0.08), c.any_colour("brown", "black", "slate", "red"))
    c.fill(c.box(-0.12, 0.12, 0.6, 0.47, corner=0.06), c.any_colour("sky", "silver", "teal"))
    c.fill(
        meet(c.box(-0.12, 0.12, 0.6, 0.47), c.wave(0.7, c.vary(0, 3))),
        c.any_colour("blue", "white", "green"),
    )
    for y in (-0.15, 0.1):
        c.fill(c.ellipse(0.66, y, 0.08), "amber")


def tractor(c: Canvas) -> None:
    """Draw a cabin, a bonnet, one large and one small wheel."""
    paint = c.any_colour("red", "green", "blue", "orange", "yellow")
    c.fill(c.box(0.38, 0.05, 0.48, 0.26, corner=0.05), paint)
    c.fill(c.box(-0.3, -0.3, 0.38, 0.5, corner=0.04), paint)
    c.fill(c.box(-0.28, -0.4, 0.27, 0.28), "sky")
    c.fill(c.line(0.55, -0.2, 0.55, -0.65, 0.1), "black")
    for x, y, radius in ((-0.38, 0.4, 0.48), (0.6, 0.6, 0.27)):
        c.fill(c.ellipse(x, y, radius), "black")
        c.fill(c.ellipse(x, y, radius * 0.45), c.any_colour("yellow", "red", "silver"))


def turtle(c: Canvas) -> None:
    """Draw a domed shell with plates, head, legs and tail."""
    skin = c.any_colour("lime", "green", "tan")
    for x in (-0.45, 0.4):
        c.fill(c.box(x, 0.45, 0.15, 0.25, corner=0.1), skin)
    c.fill(join(c.ellipse(0.78, 0.02, 0.2, 0.17), c.line(0.5, 0.25, 0.75, 0.08, 0.18)), skin)
    c.fill(c.ellipse(0.84, -0.03, 0.05), "black")
    shell = meet(c.ellipse(-0.05, 0.35, 0.72, 0.8), c.y - 0.38)
    colour = c.any_colour("forest", "brown", "leaf", "teal")
    c.fill(shell, colour)
    plates = join(c.wave(0.4, 0.9) + 0.07, c.wave(0.4, -0.9) + 0.07)
    c.fill(meet(shell + 0.06, plates), colour * 1.5)


def backdrop(c: Canvas) -> None:
    """Paint a blurred place: above the horizon one colour, below it another."""
    c.fill(c.everywhere(), c.any_colour("sky", "leaf", "cream", "teal", "grey", "blue", "peach"))
    land = (spread(c.vary(-0.3, 0.8)) - c.screen_y) * 0.4
    c.fill(land, c.any_colour("green", "sand", "brown", "slate", "navy"))
    c.fill(c.everywhere(), c.any_colour("white", "black", "tan"), alpha=0.5 * c.cloud(3, 3))


CLASSES: dict[str, Painter] = {
    "bottle": bottle,
    "clock": clock,
    "crab": crab,
    "fish": fish,
    "house": house,
    "mushroom": mushroom,
    "palm tree": palm_tree,
    "rocket": rocket,
    "snake": snake,
    "television": television,
    "tractor": tractor,
    "turtle": turtle,
}
