"""One measured figure: what it is, how far it spreads, what was wanted of it; and scripts that give them.

A script of this folder has ``measure(...)``, which gives its figures one by one. ``run_alone`` makes a
command of it: every parameter is an option.
"""

from __future__ import annotations

import argparse
import inspect
import json
import math
import operator
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

SIGNS = {"<=": operator.le, ">=": operator.ge, "<": operator.lt, ">": operator.gt, "=": operator.eq}
RATIOS = ("x", "%")  # what another machine's may be compared with
COUNTS = ("waits",)  # the same each time
LESS_IS_BETTER = {
    "s": True, "ms": True, "min": True, "GiB": True, "MB": True, "waits": True,
    "x": False, "images/s": False, "MB/s": False,
}  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One measured figure.

    Attributes:
        name: says what was measured, with its sizes: figures of one name measure the same work.
        value: in its unit.
        unit: ``x`` is a ratio of two times or rates, ``%`` a share.
        low: the least that its repeats say; ``None`` where it was measured once.
        high: the most that they say.
        wanted: a sign and a number, such as ``<= 3``; empty: only reported.
    """

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    wanted: str = ""

    def __post_init__(self) -> None:
        """Raise ValueError for what no table should show."""
        numbers = [x for x in (self.low, self.value, self.high) if x is not None]
        if not all(math.isfinite(x) and x >= 0 for x in numbers) or numbers != sorted(numbers):
            raise ValueError(f"{self.name}: {self.low}, {self.value}, {self.high} is no figure")
        if (self.low is None) != (self.high is None):
            raise ValueError(f"{self.name}: a spread has two ends")
        _ = self.less_is_better, self.met

    @classmethod
    def of(cls, name: str, values: Sequence[float], unit: str, wanted: str = "") -> Figure:
        """The median of repeats with their quartiles; of two or three, with the least and the most."""
        if len(values) == 1:
            return cls(name, values[0], unit, wanted=wanted)
        ends = statistics.quantiles(values, n=4) if len(values) > 3 else [min(values), max(values)]
        return cls(name, statistics.median(values), unit, ends[0], ends[-1], wanted)

    @classmethod
    def ratio(
        cls, name: str, above: Sequence[float], below: Sequence[float], unit: str, wanted: str = ""
    ) -> Figure:
        """What was measured in turn, divided pair by pair; in ``x`` or ``%``."""
        scale = {"x": 1, "%": 100}[unit]
        return cls.of(
            name, [scale * a / b for a, b in zip(above, below, strict=True)], unit, wanted
        )

    @property
    def less_is_better(self) -> bool:
        """By the wanted sign, else by the unit."""
        if self.wanted:
            return not self.wanted.startswith(">")
        if self.unit not in LESS_IS_BETTER:
            raise ValueError(f"{self.name}: is less {self.unit} better? say what is wanted")
        return LESS_IS_BETTER[self.unit]

    @property
    def met(self) -> bool | None:
        """Whether the value is as wanted; ``None`` where nothing was."""
        if not self.wanted:
            return None
        sign, _, number = self.wanted.partition(" ")
        if sign not in SIGNS:
            raise ValueError(f"{self.name}: wanted {self.wanted!r} begins with none of {[*SIGNS]}")
        return bool(SIGNS[sign](self.value, float(number)))

    @property
    def measured(self) -> str:
        """Value, unit and spread in words."""
        spread = f" ({_short(self.low)} to {_short(self.high)})" if self.low != self.high else ""
        return f"{_short(self.value)} {self.unit}{spread}"

    def __str__(self) -> str:
        """One line for people."""
        state = {True: "met", False: "missed", None: ""}[self.met]
        wanted = f"; wanted {self.wanted}: {state}" if self.wanted else ""
        return f"{self.name}: {self.measured}{wanted}"


def _short(value: float | None) -> str:
    """Three digits, or all before the point."""
    assert value is not None
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def run_alone(measure: Callable[..., Iterator[Figure]], about: str | None) -> None:
    """Print a script's figures as they come; with ``--json FILE`` keep them there, too.

    Args:
        measure: its parameters have defaults, from which the options are made.
        about: the script's docstring.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures in it")
    for name, parameter in inspect.signature(measure).parameters.items():
        default: Any = parameter.default
        how = {"action": "store_true"} if default is False else {"type": type(default)}
        parser.add_argument(f"--{name.replace('_', '-')}", default=default, **how)
    options = vars(parser.parse_args())
    file: Path | None = options.pop("json")
    found: list[Figure] = []
    for figure in measure(**options):
        if any(figure.name == f.name for f in found):
            raise ValueError(f"two figures are called {figure.name!r}")
        print(figure, flush=True)
        found.append(figure)
        if file is not None:  # after each: what ends early leaves what it has
            write_json(file, [asdict(f) for f in found])


def write_json(file: Path, content: Any) -> None:
    """Write a file that is whole at any time."""
    beside = file.with_name(f"{file.name}.new")
    beside.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    beside.replace(file)
