"""A grid of runs: methods, orders and seeds, every combination a cell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.cli.several import orders_in, parts_of, seeds_in
from cl_bench.reports.runs.command import option_words


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Attributes:
        method: its name.
        own: settings of this method alone, ``key=value``.
        order: ``I``, ``II`` or task names with commas.
        seed: of the run.
    """

    method: str
    own: tuple[str, ...]
    order: str
    seed: int

    @property
    def name(self) -> str:
        """What people call it."""
        settings = f" ({', '.join(self.own)})" if self.own else ""
        return f"{self.method}{settings}, order {self.order}, seed {self.seed}"

    @property
    def slug(self) -> str:
        """A file name."""
        words = "-".join([self.method, *self.own, self.order, f"seed{self.seed}"])
        return "".join(c if c.isalnum() or c in "+-=." else "_" for c in words)

    def arguments(self, common: Sequence[str], out: Path) -> list[str]:
        """What to type behind ``cl-bench``."""
        own = {"method": self.method, "order": self.order, "seed": self.seed, "set": self.own}
        return ["run", *option_words(own), *common, "--out", str(out)]


def make_grid(methods: str, orders: str, seeds: str) -> tuple[Cell, ...]:
    """Every combination, seeds outermost so that each method is seen once before any is repeated.

    Args:
        methods: names with commas; ``name:key=value`` gives one of them a setting of its own, and
            further ``:key=value`` more of them.
        orders: with commas, or with semicolons where one of them has commas itself.
        seeds: with commas.

    Raises:
        UserError: the grid is empty, a seed is no number, or a cell stands twice.
    """
    named = [_method(text) for text in parts_of(methods, "--methods")]
    combinations = product(seeds_in(seeds), orders_in(orders), named)
    cells = tuple(Cell(method, own, order, seed) for seed, order, (method, own) in combinations)
    if twice := next((cell for i, cell in enumerate(cells) if cell in cells[:i]), None):
        raise UserError(f"the sweep holds {twice.name} twice")
    return cells


def _method(text: str) -> tuple[str, tuple[str, ...]]:
    name, *own = text.split(":")
    return name, tuple(own)
