"""mini-OxfordPet: portraits of cats and dogs."""

from dataclasses import dataclass

from cl_bench.datasets.mini.canvas import Array, Canvas, Painter, join, meet, spread


@dataclass(frozen=True)
class Pet:
    """A breed: what its coat, ears and muzzle look like."""

    coat: tuple[str, ...]
    ears: str = "pointed"  # pointed, wide, folded, hanging
    ear_colour: str = ""
    mask: str = ""  # colour of the middle of the face
    muzzle: str = ""
    eyes: str = "amber"
    width: float = 0.56
    height: float = 0.55
    nose: float = 0.09
    stripes: str = ""
    fluffy: bool = False
    beard: bool = False
    blaze: bool = False
    wrinkles: bool = False

    def __call__(self, c: Canvas) -> None:
        """Draw ears, head, markings, eyes and nose."""
        coat = c.any_colour(*self.coat)
        inner = c.colour(self.ear_colour) if self.ear_colour else coat * 0.75
        if self.ears != "hanging":
            self._ears(c, coat, inner)
        c.fill(self._head(c), coat)
        self._markings(c, coat)
        if self.ears == "hanging":
            self._ears(c, coat, inner)
        self._face(c)

    def _head(self, c: Canvas) -> Array:
        head = c.ellipse(0, 0.08, self.width, self.height)
        if self.fluffy:
            fringe = c.petals(13, 0.5, 0.27, 0.15, c.vary(0, 1))
            head = join(head, fringe)
        return head

    def _ears(self, c: Canvas, coat: Array, inner: Array) -> None:
        if self.ears in ("pointed", "wide"):
            out, up = (0.62, -0.86) if self.ears == "pointed" else (0.95, -0.72)
            c.fill(c.polygon([(0.1, -0.42), (out, up), (0.56, 0.0)], mirror=True), coat)
            c.fill(c.polygon([(0.24, -0.42), (out - 0.06, up + 0.14), (0.5, -0.12)], True), inner)
        elif self.ears == "folded":
            c.fill(
                c.polygon([(0.18, -0.4), (0.62, -0.46), (0.6, -0.02), (0.42, -0.1)], True), inner
            )
        else:
            for side in (-1, 1):
                c.fill(c.ellipse(side * 0.58, 0.12, 0.17, 0.44), inner)

    def _markings(self, c: Canvas, coat: Array) -> None:
        head = self._head(c)
        if self.stripes:
            stripes = c.wave(c.vary(0.2, 0.27), 0.0, 0.12 * abs(c.y))
            c.fill(meet(head, stripes, c.y + 0.05), self.stripes)
            c.fill(meet(head, c.wave(0.22, 1.57), 0.34 - abs(c.x)), self.stripes)
        if self.blaze:
            c.fill(meet(head, c.ellipse(0, -0.2, 0.13, 0.5)), "white")
        if self.mask:
            c.fill(meet(head, c.ellipse(0, 0.22, 0.36, 0.42)), self.mask)
        if self.muzzle:
            c.fill(c.ellipse(0, 0.36, 0.29, 0.22), self.muzzle)
        if self.wrinkles:
            for height in (-0.3, -0.18):
                c.fill(
                    c.path([(-0.22, height), (0, height + 0.07), (0.22, height)], 0.05), coat * 0.6
                )
        if self.beard:
            c.fill(c.polygon([(0, 0.22), (0.36, 0.3), (0.26, 0.95), (0, 0.88)], True), coat * 1.5)
            c.fill(c.polygon([(0.1, -0.2), (0.42, -0.22), (0.36, -0.06)], True), coat * 1.7)

    def _face(self, c: Canvas) -> None:
        look = spread(c.vary(-0.03, 0.03))[:, 0, 0]
        for side in (-1, 1):
            c.fill(c.ellipse(side * 0.25, -0.03, 0.12, 0.11), self.eyes)
            c.fill(c.ellipse(side * 0.25 + look, -0.03, 0.06, 0.08), "black")
        c.fill(c.ellipse(0, 0.27, self.nose * 1.2, self.nose), self._nose_colour())
        c.fill(c.line(0, 0.3, 0, 0.44, 0.04), "chocolate")

    def _nose_colour(self) -> str:
        return "pink" if self.nose < 0.08 else "black"


def backdrop(c: Canvas) -> None:
    """Paint a sofa, a lawn or a wall, out of focus."""
    c.fill(c.everywhere(), c.any_colour("green", "teal", "maroon", "cream", "tan", "grey", "navy"))
    c.fill(c.everywhere(), c.any_colour("white", "brown", "leaf", "sky"), alpha=0.7 * c.cloud(2, 2))


CLASSES: dict[str, Painter] = {
    "Bengal cat": Pet(("amber", "tan"), stripes="brown", eyes="lime", nose=0.07, muzzle="cream"),
    "Bombay cat": Pet(("black",), eyes="amber", nose=0.08, ear_colour="slate"),
    "Persian cat": Pet(
        ("white", "cream", "grey"), eyes="orange", fluffy=True, nose=0.06, width=0.6, height=0.52
    ),
    "Siamese cat": Pet(
        ("cream",), ear_colour="chocolate", mask="chocolate", eyes="blue", nose=0.08, width=0.48
    ),
    "Sphynx cat": Pet(
        ("peach", "pink"), ears="wide", ear_colour="rose", eyes="sky", nose=0.07, width=0.44,
        wrinkles=True,
    ),
    "beagle": Pet(
        ("tan", "orange"), ears="hanging", ear_colour="brown", muzzle="white", blaze=True,
        eyes="chocolate", nose=0.12, width=0.5,
    ),
    "chihuahua": Pet(
        ("tan", "sand"), ears="wide", ear_colour="peach", muzzle="cream", eyes="chocolate", width=0.42,
        height=0.45,
    ),
    "pug": Pet(
        ("sand", "tan"), ears="folded", ear_colour="black", mask="black", eyes="chocolate",
        wrinkles=True, width=0.62,
    ),
    "Samoyed": Pet(("white",), muzzle="white", eyes="chocolate", fluffy=True, nose=0.12),
    "Scottish terrier": Pet(
        ("black", "slate"), eyes="brown", beard=True, nose=0.13, width=0.45, height=0.5
    ),
}  # fmt: skip
