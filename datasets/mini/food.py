"""mini-Food: dishes on a table."""

import numpy as np

from cl_bench.datasets.mini.canvas import Array, Canvas, Number, Painter, cut, join, meet


def _plate(c: Canvas) -> None:
    c.fill(c.ellipse(0, 0.05, 0.97, 0.93), c.any_colour("white", "white", "cream", "sky"))
    c.fill(c.ring(0, 0.05, 0.76, 0.04), "silver")


def _scatter(c: Canvas, count: int, reach: float, size: float, colour: str | Array) -> None:
    for step in range(count):
        angle, radius = c.vary(0, 1) + step * 2 * np.pi / count, c.vary(0.25, 1) * reach
        c.fill(c.ellipse(np.cos(angle) * radius, np.sin(angle) * radius, size), colour)


def pizza(c: Canvas) -> None:
    """Draw a round crust, cheese, salami and some leaves."""
    c.fill(c.ellipse(0, 0, 0.9), "tan")
    c.fill(c.ellipse(0, 0, 0.76), "amber")
    _scatter(c, 6, 0.6, 0.15, "red")
    _scatter(c, 4, 0.6, 0.07, "green")
    c.fill(join(c.box(0, 0, 1, 0.015), c.box(0, 0, 0.015, 1)), "brown", alpha=0.5)


def hamburger(c: Canvas) -> None:
    """Draw buns with patty, cheese and salad in between."""
    c.fill(c.box(0, 0.5, 0.72, 0.17, corner=0.12), "amber")
    c.fill(c.box(0, 0.26, 0.8, 0.12, corner=0.08), "chocolate")
    c.fill(c.box(0, 0.12, 0.8, 0.05), c.any_colour("yellow", "red"))
    c.fill(c.box(0, 0.04, 0.86, 0.07, corner=0.05), "lime")
    c.fill(meet(c.ellipse(0, 0.02, 0.76, 0.68), c.y - 0.02), "amber")
    for x, y in ((-0.35, -0.3), (0.0, -0.48), (0.33, -0.28), (0.0, -0.2)):
        c.fill(c.ellipse(x, y, 0.07, 0.045), "cream")


def donuts(c: Canvas) -> None:
    """Draw a glazed ring with sprinkles."""
    hole = c.ellipse(0, 0, c.vary(0.22, 0.3))
    c.fill(cut(c.ellipse(0, 0, 0.85), hole), "tan")
    glaze = c.any_colour("pink", "chocolate", "white", "rose")
    c.fill(cut(c.petals(9, 0.3, 0.45, 0.3, c.vary(0, 1)), c.ellipse(0, 0, 0.3)), glaze)
    for step in range(9):
        angle = step * 0.7 + c.vary(0, 0.4)
        x, y, turn = np.cos(angle) * 0.52, np.sin(angle) * 0.52, c.vary(0, 3)
        c.fill(c.box(x, y, 0.07, 0.03, turn=turn), c.any_colour("yellow", "sky", "lime", "red"))


def sushi(c: Canvas) -> None:
    """Draw two rolls from above: seaweed, rice and a filling."""
    c.fill(c.box(0, 0.1, 0.98, 0.7, corner=0.08), c.any_colour("brown", "black", "maroon"))
    for x, y in ((-0.45, -0.15), (0.45, 0.3)):
        c.fill(c.ellipse(x, y, 0.43), "forest")
        c.fill(c.ellipse(x, y, 0.35), "white")
        c.fill(c.ellipse(x, y, 0.17), c.any_colour("orange", "rose", "orange", "lime"))


def ice_cream(c: Canvas) -> None:
    """Draw scoops in a cone."""
    c.fill(c.polygon([(0, 0.98), (0.42, 0.05), (0, 0.0)], mirror=True), "amber")
    c.fill(meet(c.polygon([(0, 0.98), (0.42, 0.05), (0, 0.0)], True), c.wave(0.2, 0.8)), "tan")
    c.fill(c.ellipse(0, -0.55, 0.35), c.any_colour("chocolate", "white", "rose", "lime"))
    c.fill(c.ellipse(-0.24, -0.12, 0.35), c.any_colour("pink", "cream", "chocolate"))
    c.fill(c.ellipse(0.24, -0.12, 0.35), c.any_colour("cream", "pink", "peach"))


def french_fries(c: Canvas) -> None:
    """Draw yellow sticks in a red box."""
    for step in range(8):
        x = -0.49 + step * 0.14
        tip = c.vary(-0.95, -0.45)
        c.fill(c.line(x * 0.8, 0.3, x * 1.2, tip, 0.14), c.any_colour("yellow", "amber"))
    box = c.polygon([(0, 0.2), (0.62, -0.05), (0.46, 0.95), (0, 0.95)], mirror=True)
    c.fill(box, c.any_colour("red", "red", "white", "blue"))


def hot_dog(c: Canvas) -> None:
    """Draw a sausage in a bun with a wavy line of mustard."""
    c.fill(c.line(-0.6, 0.16, 0.6, 0.16, 0.62), "amber")
    c.fill(c.line(-0.76, 0.0, 0.76, 0.0, 0.34), "maroon")
    c.fill(c.line(-0.6, 0.3, 0.6, 0.3, 0.3), "tan")
    wave = abs(c.y - 0.07 * np.sin(c.x * 12)) - 0.05
    c.fill(meet(wave, abs(c.x) - 0.72), c.any_colour("yellow", "yellow", "red"))


def pancakes(c: Canvas) -> None:
    """Draw a stack with syrup and a piece of butter."""
    for step in range(4):
        y = 0.55 - step * 0.22
        c.fill(c.ellipse(c.vary(-0.05, 0.05), y, 0.8, 0.26), "brown")
        c.fill(c.ellipse(0, y - 0.07, 0.78, 0.24), "sand")
    c.fill(c.petals(5, 0.2, 0.38, 0.2, c.vary(0, 1)) + abs(c.y + 0.15) * 0.9, "brown")
    c.fill(c.box(0, -0.25, 0.18, 0.1, corner=0.03, turn=c.vary(-0.4, 0.4)), "yellow")


def ramen(c: Canvas) -> None:
    """Draw a bowl with broth, noodles, half an egg and seaweed."""
    c.fill(c.ellipse(0, 0, 0.93), c.any_colour("red", "black", "navy"))
    c.fill(c.ellipse(0, 0, 0.78), "orange")
    noodles = c.wave(0.17, 0.5, 0.08 * np.sin(c.y * 9))
    c.fill(meet(noodles, c.ellipse(-0.1, 0.1, 0.62)), "cream")
    _egg(c, 0.32, -0.3)
    c.fill(c.box(-0.4, -0.42, 0.2, 0.24, turn=c.vary(-0.5, 0.2)), "forest")


def _egg(c: Canvas, x: Number, y: Number) -> None:
    c.fill(c.ellipse(x, y, 0.25, 0.2), "white")
    c.fill(c.ellipse(x, y, 0.12), "yellow")


def chocolate_cake(c: Canvas) -> None:
    """Draw a slice with layers of cream and a cherry."""
    top = c.polygon([(-0.85, -0.05), (0.5, -0.5), (0.88, -0.12)])
    c.fill(c.polygon([(-0.85, -0.05), (0.88, -0.12), (0.88, 0.6), (-0.85, 0.68)]), "chocolate")
    for y in (0.14, 0.4):
        c.fill(c.line(-0.8, y + 0.03, 0.84, y - 0.03, 0.08), c.any_colour("cream", "pink"))
    c.fill(top, "brown")
    c.fill(c.ellipse(0.25, -0.42, 0.15), "red")


def backdrop(c: Canvas) -> None:
    """Paint a wooden table or a checked cloth."""
    c.fill(c.everywhere(), c.any_colour("brown", "tan", "white", "slate", "cream", "teal"))
    cloth = np.minimum(c.wave(0.5), c.wave(0.5, np.pi / 2))
    pattern = c.any_colour("red", "brown", "grey", "white")
    c.fill(cloth, pattern, alpha=c.vary(0, 1) * c.chance(0.5))


def on_plate(painter: Painter) -> Painter:
    """Return the painter with a plate under its dish."""

    def draw(c: Canvas) -> None:
        if c.style.natural:
            _plate(c)
        painter(c)

    return draw


CLASSES: dict[str, Painter] = {
    "chocolate cake": on_plate(chocolate_cake),
    "donuts": donuts,
    "french fries": french_fries,
    "hamburger": on_plate(hamburger),
    "hot dog": on_plate(hot_dog),
    "ice cream": ice_cream,
    "pancakes": on_plate(pancakes),
    "pizza": pizza,
    "ramen": ramen,
    "sushi": sushi,
}
