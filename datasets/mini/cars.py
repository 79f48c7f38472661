"""mini-StanfordCars: cars from the side, on a road."""

from dataclasses import dataclass

from cl_bench.datasets.mini.canvas import Array, Canvas, Painter, spread


@dataclass(frozen=True)
class Car:
    """The profile of a car that drives to the right; lengths relative to half the picture."""

    length: float = 0.85  # from the middle to a bumper
    belt: float = -0.02  # height of the window line (y is down)
    roof: float = -0.38
    roof_back: float = -0.4
    roof_front: float = 0.15
    window_back: float = -0.62
    window_front: float = 0.42
    wheel: float = 0.19
    floor: float = 0.32
    pillars: tuple[float, ...] = (-0.1,)
    bed: bool = False
    open_top: bool = False
    spoiler: bool = False
    spare_wheel: bool = False
    colours: tuple[str, ...] = ("red", "blue", "silver", "white", "green", "black", "amber", "teal")

    def __call__(self, c: Canvas) -> None:
        """Draw cabin, body, windows and wheels from the profile."""
        colour = c.any_colour(*self.colours)
        roof = self.roof + c.vary(-0.03, 0.03)
        if self.open_top:
            self._open_cabin(c)
        else:
            self._cabin(c, colour, roof)
        self._body(c, colour)
        for side in (-1, 1):
            at = side * (self.length - 0.3)
            c.fill(c.ellipse(at, self.floor, self.wheel), "black")
            c.fill(c.ellipse(at, self.floor, self.wheel * 0.5), "silver")

    def _cabin(self, c: Canvas, colour: Array, roof: Array) -> None:
        c.fill(c.polygon(self._outline(roof, 0)), colour)
        c.fill(c.polygon(self._outline(roof, 0.07)), c.any_colour("slate", "navy", "sky"))
        for place in self.pillars:
            c.fill(c.box(place, (roof + self.belt) / 2, 0.03, (self.belt - roof) / 2), colour)

    def _outline(self, roof: Array, inset: float) -> list[tuple[float | Array, float | Array]]:
        return [
            (self.window_back + inset * 1.5, self.belt),
            (self.roof_back + inset, roof + inset),
            (self.roof_front - inset, roof + inset),
            (self.window_front - inset * 1.5, self.belt),
        ]

    def _open_cabin(self, c: Canvas) -> None:
        c.fill(c.line(0.3, self.belt, 0.14, -0.3, 0.06), "slate")
        for seat in (-0.3, 0.0):
            c.fill(c.ellipse(seat, -0.18, 0.09), "peach")
            c.fill(c.box(seat - 0.02, -0.02, 0.1, 0.12, corner=0.05), "brown")

    def _body(self, c: Canvas, colour: Array) -> None:
        middle, half = (self.belt + self.floor) / 2, (self.floor - self.belt) / 2
        c.fill(c.box(0, middle, self.length, half, corner=0.1), colour)
        if self.bed:
            c.fill(c.box(-0.48, self.belt + 0.06, 0.33, 0.05), "chocolate")
        if self.spoiler:
            c.fill(
                c.line(-self.length, self.belt - 0.14, -self.length + 0.25, self.belt - 0.14, 0.07),
                colour * 0.7,
            )
            c.fill(
                c.line(-self.length + 0.15, self.belt - 0.14, -self.length + 0.15, self.belt, 0.05),
                colour * 0.7,
            )
        if self.spare_wheel:
            c.fill(c.box(-self.length - 0.06, middle - 0.08, 0.07, 0.19, corner=0.05), "black")
        c.fill(c.box(0, self.floor - 0.03, self.length * 0.95, 0.04), colour * 0.5)
        c.fill(c.ellipse(self.length - 0.05, middle - 0.05, 0.06), "cream")
        c.fill(c.ellipse(-self.length + 0.04, middle - 0.05, 0.05), "maroon")


def backdrop(c: Canvas) -> None:
    """Paint a road under a sky, a wall or trees."""
    c.fill(c.everywhere(), c.any_colour("sky", "cream", "silver", "leaf", "tan"))
    c.fill(c.everywhere(), "white", alpha=spread(c.vary(0, 0.6)) * c.cloud(4, 2))
    road = spread(c.vary(0.15, 0.4)) - c.y
    c.fill(road, c.any_colour("grey", "slate", "tan", "silver"))


CLASSES: dict[str, Painter] = {
    "sedan": Car(pillars=(-0.1,)),
    "hatchback": Car(length=0.66, roof=-0.42, roof_back=-0.5, window_back=-0.64, window_front=0.45),
    "SUV": Car(
        length=0.8, belt=-0.08, roof=-0.55, roof_back=-0.7, window_back=-0.78, roof_front=0.2,
        window_front=0.4, wheel=0.24, pillars=(-0.35, 0.0),
    ),
    "pickup truck": Car(
        length=0.92, roof=-0.45, roof_back=-0.1, window_back=-0.14, roof_front=0.25, bed=True,
        window_front=0.45, wheel=0.22, pillars=(),
    ),
    "convertible": Car(open_top=True, belt=0.02, length=0.8),
    "van": Car(
        length=0.86, belt=-0.1, roof=-0.72, roof_back=-0.84, window_back=-0.86, roof_front=0.5,
        window_front=0.78, pillars=(-0.4, 0.05),
    ),
    "sports car": Car(
        length=0.88, belt=0.06, roof=-0.2, roof_back=-0.2, window_back=-0.7, roof_front=0.05,
        window_front=0.4, wheel=0.2, pillars=(), spoiler=True,
        colours=("red", "yellow", "orange", "lime", "blue", "black"),
    ),
    "station wagon": Car(roof_back=-0.74, window_back=-0.84, roof_front=0.15, pillars=(-0.4, -0.1)),
    "limousine": Car(
        length=0.98, wheel=0.14, belt=0.06, floor=0.28, roof=-0.2, roof_back=-0.66, roof_front=0.48,
        window_back=-0.78, window_front=0.62, pillars=(-0.35, -0.05, 0.25),
        colours=("black", "white", "slate"),
    ),
    "jeep": Car(
        length=0.68, belt=-0.08, roof=-0.5, roof_back=-0.62, window_back=-0.64, roof_front=0.1,
        window_front=0.14, wheel=0.25, pillars=(-0.25,), spare_wheel=True,
        colours=("leaf", "forest", "tan", "sand", "red"),
    ),
}  # fmt: skip
