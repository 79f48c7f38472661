"""Pass after pass without end, each in an order drawn anew, with a place that can be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor

T = TypeVar("T")


class Endless(Iterator[T]):
    """Pass after pass over the same items.

    A place is kept as the generator's state before the order of the current pass was drawn, and how
    many items of the pass were handed out. To go back there is to draw the same order again.

    Several may draw from one generator. Whoever owns the generator keeps its present state.
    """

    def __init__(self, begin: Callable[[int], Iterator[T]], generator: torch.Generator) -> None:
        """Draw nothing yet.

        Args:
            begin: starts a pass: draws its order from ``generator`` at once, before the first item
                is asked for, and yields the items behind the first n.
            generator: what the orders are drawn from; it belongs to the caller.
        """
        self._begin, self._generator = begin, generator
        self._items: Iterator[T] = iter(())  # what is left of the pass
        self._drawn_from: Tensor | None = None
        self._handed_out = 0

    def __next__(self) -> T:
        """The next item; a new pass begins only when it is asked for."""
        for item in self._items:
            self._handed_out += 1
            return item
        self._drawn_from, self._handed_out = self._generator.get_state(), 1
        self._items = self._begin(0)
        return next(self._items)

    def state_dict(self) -> dict[str, Any]:
        """The place; empty before the first item."""
        if self._drawn_from is None:
            return {}
        return {"drawn_from": self._drawn_from, "handed_out": self._handed_out}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go to a kept place; the generator's state stays as it is."""
        if not state:
            return
        self._drawn_from, self._handed_out = state["drawn_from"], state["handed_out"]
        now = self._generator.get_state()
        self._generator.set_state(self._drawn_from)
        self._items = self._begin(self._handed_out)
        self._generator.set_state(now)


def shuffled(count: int, batch_size: int, generator: torch.Generator) -> Endless[Tensor]:
    """The rows 0 to ``count`` - 1 in batches, int64 [B], every pass in a fresh random order."""
    return Endless(
        lambda done: iter(torch.randperm(count, generator=generator).split(batch_size)[done:]),
        generator,
    )
