"""The accuracies on held-out data sets, row by row beside the matrix and in none of its metrics. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.events import Evaluated


@dataclass(frozen=True)
class HeldOutRows:
    """Accuracies in per cent.

    Attributes:
        sets: names of the data sets; empty where a run has none.
        rows: of every set's accuracies: before anything was learned, then after each task.
    """

    sets: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]

    @property
    def means(self) -> tuple[float, ...]:
        """The mean over the sets, of every row."""
        return tuple(fmean(row) for row in self.rows) if self.sets else ()

    def curves(self) -> dict[str, tuple[float, ...]]:
        """The accuracies on each set, of every row."""
        return {name: tuple(row[i] for row in self.rows) for i, name in enumerate(self.sets)}

    def metrics(self) -> dict[str, float]:
        """Mean over the sets before anything was learned, at its lowest after a task, and after the last."""
        if not self.sets or not self.rows:
            return {}
        before, *after = self.means
        metrics = {"held_out_before": before}
        if after:
            metrics |= {"held_out_lowest": min(after), "held_out_last": after[-1]}
        return metrics


def held_out_rows(run: Path, config: RunConfig, evaluated: Sequence[Evaluated]) -> HeldOutRows:
    """What a run's log says of them.

    Args:
        run: its directory, for the message.
        config: names the sets.
        evaluated: the log's evaluations, one for every row of the matrix.

    Raises:
        UserError: an evaluation is of other sets than the configuration names.
    """
    sets = tuple(config.held_out)
    for event in evaluated:
        if tuple(event.held_out or ()) != sets:
            raise UserError(
                f"{run}: the log's evaluation after {event.learned} tasks is of the held-out sets "
                f"{', '.join(event.held_out or ()) or 'none'}, config.json names {', '.join(sets) or 'none'}"
            )
    return HeldOutRows(sets, tuple(tuple((e.held_out or {}).values()) for e in evaluated))
