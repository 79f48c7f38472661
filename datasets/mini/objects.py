"""mini-Caltech101: one object in the middle of a cluttered or plain picture."""

import numpy as np

from cl_bench.datasets.mini.canvas import Canvas, Painter, cut, join, meet, spread

PAINTS = ("red", "blue", "green", "amber", "violet", "teal", "orange", "rose", "slate", "brown")


def anchor(c: Canvas) -> None:
    """Draw shank, stock, ring and flukes."""
    steel = c.any_colour("slate", "black", "navy", "brown", "silver")
    arc = meet(c.ring(0, 0.1, 0.62, 0.16), 0.25 - c.y)
    shank = join(c.line(0, -0.5, 0, 0.7, 0.15), c.line(-0.32, -0.35, 0.32, -0.35, 0.13))
    points = c.polygon([(0.45, 0.35), (0.78, 0.0), (0.8, 0.5)], mirror=True)
    c.fill(join(arc, shank, points, c.ring(0, -0.68, 0.16, 0.1)), steel)


def butterfly(c: Canvas) -> None:
    """Draw two pairs of spotted wings."""
    colour = c.any_colour("orange", "blue", "yellow", "violet", "red", "sky")
    for side in (-1, 1):
        c.fill(c.ellipse(side * 0.45, -0.33, 0.42, 0.44), colour)
        c.fill(c.ellipse(side * 0.38, 0.42, 0.33, 0.38), colour * 0.75)
        c.fill(c.ellipse(side * 0.55, -0.38, 0.14), c.any_colour("white", "black"))
    c.fill(c.line(0, -0.5, 0, 0.6, 0.14), "black")
    for side in (-1, 1):
        c.fill(c.line(0, -0.5, side * 0.25, -0.9, 0.05), "black")


def chair(c: Canvas) -> None:
    """Draw back, seat and legs in parallel projection."""
    wood = c.any_colour("brown", "tan", "red", "white", "chocolate", "teal")
    for x, y in ((-0.45, 0.92), (0.42, 0.92), (-0.2, 0.7), (0.62, 0.7)):
        c.fill(c.line(x, 0.2, x, y, 0.1), wood * 0.8)
    c.fill(c.polygon([(-0.52, 0.25), (0.47, 0.25), (0.68, 0.02), (-0.28, 0.02)]), wood)
    back = c.box(-0.4, -0.4, 0.14, 0.5, corner=0.05)
    c.fill(join(back, c.line(-0.5, -0.85, -0.5, 0.25, 0.1)), wood * 0.9)


def cup(c: Canvas) -> None:
    """Draw a mug with its handle, on a saucer now and then."""
    glaze = c.any_colour("white", *PAINTS)
    c.fill(c.ellipse(-0.05, 0.72, 0.75, 0.14), glaze * 0.85, alpha=c.chance(0.5).astype(float))
    c.fill(c.ring(0.45, 0.05, 0.3, 0.14), glaze)
    c.fill(c.polygon([(-0.62, -0.45), (0.45, -0.45), (0.36, 0.7), (-0.5, 0.7)]), glaze)
    c.fill(c.ellipse(-0.08, -0.45, 0.53, 0.16), glaze * 0.8)
    c.fill(c.ellipse(-0.08, -0.43, 0.42, 0.1), "chocolate")


def lamp(c: Canvas) -> None:
    """Draw a table lamp with a conical shade."""
    c.fill(c.line(0, -0.1, 0, 0.75, 0.1), c.any_colour("brown", "slate", "amber"))
    c.fill(c.ellipse(0, 0.8, 0.4, 0.13), "brown")
    shade = c.any_colour("yellow", "cream", "red", "green", "orange")
    c.fill(c.polygon([(0, -0.85), (0.28, -0.85), (0.65, 0.0), (0, 0.0)], mirror=True), shade)


def pyramid(c: Canvas) -> None:
    """Draw a lit and a shaded face of stone."""
    stone = c.any_colour("sand", "tan", "amber", "grey")
    top, edge = c.vary(-0.8, -0.5), c.vary(0.05, 0.4)
    c.fill(c.polygon([(0, top), (-0.95, 0.65), (edge, 0.8)]), stone)
    c.fill(c.polygon([(0, top), (edge, 0.8), (0.95, 0.6)]), stone * 0.6)
    c.fill(
        meet(c.polygon([(0, top), (-0.95, 0.65), (edge, 0.8)]), c.wave(0.24, np.pi / 2)),
        stone * 0.9,
    )


def sailboat(c: Canvas) -> None:
    """Draw a hull, a mast and two sails."""
    hull = c.any_colour(*PAINTS, "white")
    c.fill(c.line(0, -0.85, 0, 0.5, 0.07), "brown")
    c.fill(
        c.polygon([(0.08, -0.85), (0.68, 0.32), (0.08, 0.32)]),
        c.any_colour("white", "cream", "red"),
    )
    c.fill(c.polygon([(-0.08, -0.6), (-0.5, 0.32), (-0.08, 0.32)]), c.any_colour("white", "orange"))
    c.fill(c.polygon([(-0.8, 0.42), (0.85, 0.42), (0.55, 0.8), (-0.55, 0.8)]), hull)


def scissors(c: Canvas) -> None:
    """Draw two crossed blades and two handles."""
    spread_out = c.vary(0.2, 0.42)
    for side in (-1, 1):
        c.fill(c.line(side * spread_out, -0.9, -side * 0.25, 0.35, 0.13), "silver")
    grip = c.any_colour("red", "blue", "black", "orange", "green")
    for side in (-1, 1):
        c.fill(c.ring(side * 0.36, 0.6, 0.24, 0.13), grip)
    c.fill(c.ellipse(0, -0.02, 0.07), "slate")


def starfish(c: Canvas) -> None:
    """Draw five tapering arms with dots."""
    colour = c.any_colour("orange", "red", "rose", "tan", "violet")
    angle, radius = np.arctan2(c.x, -c.y), np.hypot(c.x, c.y)
    arm = np.cos(5 * angle) * 0.5 + 0.5
    c.fill((radius - 0.32 - 0.6 * arm * arm) * 0.5, colour)
    c.fill(c.petals(5, 0.45, 0.07, 0.07, np.pi / 10), "cream")
    c.fill(c.ellipse(0, 0, 0.1), "cream")


def stop_sign(c: Canvas) -> None:
    """Draw a red octagon with a white bar on a pole."""
    c.fill(c.line(0, 0, 0, 1.3, 0.1), "grey")
    x, y = np.abs(c.x), np.abs(c.y + 0.15)
    octagon = np.maximum(np.maximum(x, y), (x + y) * 0.707) - 0.68
    c.fill(octagon, "white")
    c.fill(octagon + 0.08, "red")
    for x in (-0.42, -0.14, 0.14, 0.42):
        c.fill(c.box(x, -0.15, 0.08, 0.16), "white")


def umbrella(c: Canvas) -> None:
    """Draw a canopy with ribs and a hooked stick."""
    colour = c.any_colour(*PAINTS)
    c.fill(c.path([(0, -0.5), (0, 0.72), (0.12, 0.86), (0.28, 0.74)], 0.08), "chocolate")
    canopy = meet(c.ellipse(0, 0.0, 0.92, 0.78), c.y)
    scallops = [c.ellipse(x, 0.04, 0.19, 0.12) for x in (-0.66, -0.22, 0.22, 0.66)]
    canopy = cut(canopy, *scallops)
    c.fill(canopy, colour)
    c.fill(meet(canopy, c.ellipse(0, 0, 0.4, 0.78)), colour * 0.72)


def yin_yang(c: Canvas) -> None:
    """Draw two interlocked drops in a circle."""
    light, dark = c.any_colour("white", "white", "yellow"), c.any_colour("black", "black", "navy")
    disc = c.ellipse(0, 0, 0.85)
    c.fill(disc, light)
    half = cut(join(meet(disc, c.x), c.ellipse(0, -0.425, 0.425)), c.ellipse(0, 0.425, 0.425))
    c.fill(half, dark)
    c.fill(c.ellipse(0, -0.425, 0.13), light)
    c.fill(c.ellipse(0, 0.425, 0.13), dark)
    c.fill(c.ring(0, 0, 0.85, 0.07), dark)


def backdrop(c: Canvas) -> None:
    """Paint a wall, a table top or a cluttered room."""
    c.fill(c.everywhere(), c.any_colour("white", "cream", "silver", "sky", "tan", "slate", "leaf"))
    c.fill(
        c.everywhere(),
        c.any_colour("grey", "white", "brown"),
        alpha=spread(c.vary(0, 0.9)) * c.cloud(3, 2),
    )
    c.fill(spread(c.vary(0.1, 2.0)) - c.screen_y, c.any_colour("brown", "grey", "sand", "green"))


CLASSES: dict[str, Painter] = {
    "anchor": anchor,
    "butterfly": butterfly,
    "chair": chair,
    "cup": cup,
    "lamp": lamp,
    "pyramid": pyramid,
    "sailboat": sailboat,
    "scissors": scissors,
    "starfish": starfish,
    "stop sign": stop_sign,
    "umbrella": umbrella,
    "yin yang": yin_yang,
}
