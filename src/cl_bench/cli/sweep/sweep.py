"""A grid of runs, and where it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cl_bench.benchmark.config import digest_of
from cl_bench.cli.sweep.grid import Cell
from cl_bench.experiment.choices import RUNS, Choices


@dataclass(frozen=True)
class Sweep:
    """A grid of runs.

    Where no folder is named, its runs lie among those of ``cl-bench run``: one that was made there is
    done, and no run is there twice.

    Attributes:
        cells: every run.
        choices: what all of them share.
        common: the same as options of ``cl-bench run``.
        dashboards: where runs are shown, as options of it; no part of what the grid is.
        named: the folder that was asked for.
    """

    cells: tuple[Cell, ...]
    choices: Choices
    common: tuple[str, ...]
    dashboards: tuple[str, ...]
    named: Path | None

    @property
    def out(self) -> Path:
        """The folder below which its runs lie."""
        return self.named or RUNS

    @cached_property
    def folder(self) -> Path:
        """Of what belongs to the sweep itself: its grid, and what each process said."""
        return self.named or RUNS / "sweeps" / digest_of(self.grid)

    @property
    def grid(self) -> dict[str, Any]:
        """What tells it from other sweeps."""
        cells = [[cell.method, list(cell.own), cell.order, cell.seed] for cell in self.cells]
        return {"cells": cells, "common": list(self.common)}

    def log(self, cell: Cell) -> Path:
        """Where a cell's process writes what it says."""
        return self.folder / "sweep" / f"{cell.slug}.log"
