"""mini-Aircraft: aeroplanes seen from below, against the sky."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cl_bench.datasets.mini.canvas import Array, Canvas, Number, Painter, join, spread


@dataclass(frozen=True)
class Plane:
    """The plan of an aeroplane, nose up; lengths relative to half the picture."""

    span: float = 0.85
    sweep: float = 0.3
    chord: float = 0.28
    tip: float = 0.4
    at: float = -0.2
    body: float = 0.09
    tail: float = 0.32
    engines: Sequence[float] = ()
    propellers: Sequence[float] = ()
    tail_engines: bool = False
    second_wing: bool = False
    floats: bool = False
    twin_fins: bool = False
    tailless: bool = False
    colours: tuple[str, ...] = ("white", "silver", "sky")

    def __call__(self, c: Canvas) -> None:
        """Draw wings, engines, tail and body from the plan, a little different every time."""
        colour = c.any_colour(*self.colours)
        trim = c.any_colour("red", "blue", "navy", "orange", "green", "slate")
        stretch = c.vary(0.92, 1.08)
        if self.floats:
            self._floats(c, colour)
        self._engines(c, colour)
        if self.second_wing:
            c.fill(self._wing(c, stretch, 0.16), trim)
        c.fill(self._wing(c, stretch, 0.0), colour)
        if not self.tailless:
            tail = self._tail(c)
            c.fill(tail, trim)
        c.fill(self._body(c), colour)
        c.fill(c.ellipse(0, -0.66, self.body * 0.5, 0.09), "slate")
        self._propellers(c)

    def _wing(self, c: Canvas, stretch: Array, lower: float) -> Array:
        top, span = self.at + lower, self.span * stretch
        tip = top + self.sweep * stretch
        points: list[tuple[Number, Number]] = [
            (0, top),
            (span, tip),
            (span, tip + self.chord * self.tip),
            (0, top + self.chord),
        ]
        return c.polygon(points, mirror=True)

    def _tail(self, c: Canvas) -> Array:
        slope = self.sweep * 0.4
        points = [(0, 0.62), (self.tail, 0.62 + slope), (self.tail, 0.74 + slope), (0, 0.82)]
        plane = c.polygon(points, mirror=True)
        if self.twin_fins:
            fins = (c.line(s * 0.17, 0.5, s * 0.22, 0.85, 0.09) for s in (-1, 1))
            plane = join(plane, *fins)
        return plane

    def _body(self, c: Canvas) -> Array:
        end = 0.55 if self.tailless else 0.8
        tube = c.line(0, -0.72, 0, end, self.body * 2)
        cone = c.polygon(
            [(0, -0.95), (self.body, -0.65), (self.body * 0.9, end), (0, end + 0.12)], True
        )
        return join(tube, cone)

    def _engines(self, c: Canvas, colour: Array) -> None:
        for place in self.engines:
            front = self.at + self.sweep * place / self.span - 0.08
            for side in (-1, 1):
                pod = c.box(side * place, front + 0.06, 0.06, 0.13, corner=0.04)
                c.fill(pod, colour * 0.55)
        if self.tail_engines:
            for side in (-1, 1):
                c.fill(c.box(side * 0.2, 0.45, 0.07, 0.14, corner=0.04), colour * 0.55)

    def _propellers(self, c: Canvas) -> None:
        for place in self.propellers:
            for side in (-1, 1) if place else (1,):
                front = -0.97 if place == 0 else self.at - 0.1
                c.fill(c.ellipse(side * place, front, 0.24, 0.035), "slate", alpha=0.85)
                if place:
                    c.fill(c.box(side * place, front + 0.13, 0.055, 0.13, corner=0.04), "grey")

    def _floats(self, c: Canvas, colour: Array) -> None:
        for side in (-1, 1):
            c.fill(c.line(side * 0.3, -0.62, side * 0.3, 0.5, 0.17), colour * 0.7)
        c.fill(c.box(0, -0.45, 0.3, 0.03), "slate")


def backdrop(c: Canvas) -> None:
    """Paint a sky, clear or cloudy, from noon to dusk."""
    top = c.any_colour("sky", "blue", "sky", "grey", "peach")
    cloud = np.clip(c.cloud(3, 2) * 2 - spread(c.vary(0.5, 1.3)), 0, 1)
    c.fill(c.everywhere(), top)
    c.fill(c.everywhere(), "white", alpha=cloud)


CLASSES: dict[str, Painter] = {
    "airliner": Plane(engines=(0.33,)),
    "jumbo jet": Plane(engines=(0.3, 0.56), body=0.14, span=0.92, chord=0.34),
    "business jet": Plane(span=0.62, sweep=0.24, chord=0.2, tail_engines=True, at=-0.02, tail=0.26),
    "propeller plane": Plane(
        sweep=0.02, chord=0.26, tip=0.9, propellers=(0,), at=-0.4, colours=("white", "yellow", "red")
    ),
    "twin propeller plane": Plane(sweep=0.04, chord=0.22, tip=0.6, propellers=(0.36,), at=-0.25),
    "glider": Plane(
        span=0.98, sweep=0.04, chord=0.11, tip=0.5, body=0.05, tail=0.2, at=-0.32, colours=("white",)
    ),
    "biplane": Plane(
        span=0.75, sweep=0, chord=0.25, tip=1, propellers=(0,), second_wing=True, at=-0.55,
        colours=("red", "yellow", "blue", "green"),
    ),
    "fighter jet": Plane(
        span=0.52, sweep=0.4, chord=0.5, tip=0.3, at=-0.2, twin_fins=True, body=0.11, tail=0.34,
        colours=("slate", "grey", "leaf"),
    ),
    "delta wing bomber": Plane(
        span=0.8, sweep=1.0, chord=1.15, tip=0.1, at=-0.45, body=0.1, tailless=True,
        colours=("slate", "black", "grey"),
    ),
    "seaplane": Plane(
        sweep=0, chord=0.24, tip=0.9, propellers=(0,), floats=True, at=-0.35,
        colours=("white", "yellow", "orange"),
    ),
}  # fmt: skip
