"""The two looks of a picture: on a screen, and in a paper's columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, ParamSpec, TypeVar, cast

import matplotlib as mpl
import matplotlib.style

FAMILY = "DejaVu Sans"  # matplotlib brings it along
P = ParamSpec("P")
R = TypeVar("R")
COMMON: dict[str, Any] = {
    "font.family": FAMILY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "hatch.linewidth": 0.8,
    "text.parse_math": False,  # a name may hold dollar signs
    "svg.hashsalt": "cl-bench",  # else an SVG holds random identifiers
    "pdf.fonttype": 42,  # publishers refuse Type 3
}


@dataclass(frozen=True)
class Look:
    """How large a picture and its letters are.

    Attributes:
        settings: of matplotlib.
        small: of numbers at axes that stand back, in points.
        label: of names beside points, in points.
        nearer: how many points closer than on a screen they may be.
        narrow: width of pictures that fit one column, in inches; ``None`` where each has its own.
        wide: width of all others, over both columns.
        longest_name: characters of a task's name.
    """

    settings: Mapping[str, Any]
    small: float
    label: float
    nearer: float = 0.0
    narrow: float | None = None
    wide: float | None = None
    longest_name: int | None = None

    @property
    def paper(self) -> bool:
        """Whether what a picture shows is said in the caption, and nothing of it in the picture."""
        return self.wide is not None

    def width(self, own: float, fits_a_column: bool) -> float:
        """The width of a picture in inches; ``own`` is that on a screen."""
        fixed = self.narrow if fits_a_column else self.wide
        return own if fixed is None else fixed

    def clipped(self, longest: int) -> int:
        """How many characters of a task's name are shown; ``longest`` on a screen."""
        return longest if self.longest_name is None else min(longest, self.longest_name)


SCREEN = Look(
    COMMON | {
        "font.size": 9, "axes.titlesize": 9, "axes.labelsize": 9, "figure.labelsize": 9,
        "lines.linewidth": 1.4, "lines.markersize": 4,
    },
    small=7,
    label=7.5,
)  # fmt: skip
PAPER = Look(
    COMMON | {
        "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "figure.labelsize": 8,
        "xtick.labelsize": 8, "ytick.labelsize": 8, "legend.title_fontsize": 8,
        "lines.linewidth": 1.1, "lines.markersize": 3, "axes.linewidth": 0.6,
        "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5,
        "ytick.major.size": 2.5, "legend.handlelength": 2.4, "legend.columnspacing": 1.2,
    },
    small=8,
    label=8,
    nearer=3.0,
    narrow=3.3,
    wide=7.0,
    longest_name=14,
)  # fmt: skip
LOOKS = {"screen": SCREEN, "paper": PAPER}


def in_style(draw: Callable[P, R]) -> Callable[P, R]:
    """Let a function draw or save in its argument ``look``, whatever the user's settings.

    ``look`` is given by name; without it a picture is for a screen.
    """

    @wraps(draw)
    def drawn(*args: P.args, **kwargs: P.kwargs) -> R:
        look = cast(Look, kwargs.get("look", SCREEN))
        with mpl.style.context(["default", dict(look.settings)]):
            return draw(*args, **kwargs)

    return drawn
