"""How often a run keeps where it stands within a task. No torch."""

from __future__ import annotations

import re
from dataclasses import dataclass

USUAL = "10m"
_UNITS = {"s": 1, "m": 60}


@dataclass(frozen=True)
class Interval:
    """Steps or seconds between two states that are kept; neither: none is kept.

    Attributes:
        steps: optimizer steps.
        seconds: of wall-clock time.
    """

    steps: int | None = None
    seconds: int | None = None

    @classmethod
    def of(cls, said: str) -> Interval:
        """Read ``500`` (steps), ``10m``, ``30s`` or ``off``.

        Raises:
            ValueError: it is none of them.
        """
        if said == "off":
            return cls()
        found = re.fullmatch(r"(\d+)([ms]?)", said, re.ASCII)
        if found is None or int(found[1]) == 0:
            raise ValueError(
                "write a number of steps such as 500, a time such as 10m or 30s, or off"
            )
        number, unit = int(found[1]), found[2]
        return cls(seconds=number * _UNITS[unit]) if unit else cls(steps=number)

    @property
    def off(self) -> bool:
        """Whether nothing is kept within a task."""
        return self == Interval()

    def nears(self, seconds: float) -> bool:
        """Whether work that has lasted so long may come to the interval's end; a copy is worth its time."""
        return not self.off and seconds >= (self.seconds or 0) / 10

    def is_over(self, steps: int, seconds: float) -> bool:
        """Whether something is to be kept, so many steps and seconds after the last time."""
        if self.steps is not None:
            return steps >= self.steps
        return self.seconds is not None and seconds >= self.seconds
