"""The recalls in retrieval sets, row by row beside the matrix and in none of its metrics. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.recall import RECALL_AT, WAYS, Recalls, at_first, recall_name
from cl_bench.benchmark.records.events import Evaluated

RECALLS = tuple(recall_name(way, k) for way in WAYS for k in RECALL_AT)


@dataclass(frozen=True)
class RetrievalRows:
    """Recalls in per cent.

    Attributes:
        sets: names of the sets; empty where a run has none.
        rows: of every set's recalls: before anything was learned, then after each task.
    """

    sets: tuple[str, ...]
    rows: tuple[tuple[Recalls, ...], ...]

    def metrics(self) -> dict[str, float]:
        """Recall at 1 before anything was learned, at its lowest after a task, and after the last.

        Each is the mean over both ways and all sets.
        """
        if not self.sets or not self.rows:
            return {}
        before, *after = (fmean(map(at_first, row)) for row in self.rows)
        metrics = {"retrieval_before": before}
        if after:
            metrics |= {"retrieval_lowest": min(after), "retrieval_last": after[-1]}
        return metrics

    def curves(self) -> dict[str, dict[str, tuple[float, ...]]]:
        """All recalls in each set, of every row."""
        return {name: {r: self.curve(name, r) for r in RECALLS} for name in self.sets}

    def curve(self, name: str, recall: str) -> tuple[float, ...]:
        """One of the recalls in a set, of every row."""
        place = self.sets.index(name)
        return tuple(row[place][recall] for row in self.rows)


def retrieval_rows(run: Path, config: RunConfig, evaluated: Sequence[Evaluated]) -> RetrievalRows:
    """What a run's log says of them; arguments as of ``held_out_rows``.

    Raises:
        UserError: an evaluation is of other sets than the configuration names, or lacks a recall.
    """
    sets = tuple(config.retrieval)
    for event in evaluated:
        if tuple(event.retrieval or ()) != sets:
            raise UserError(
                f"{run}: the log's evaluation after {event.learned} tasks is of the retrieval sets "
                f"{', '.join(event.retrieval or ()) or 'none'}, config.json names {', '.join(sets) or 'none'}"
            )
        if any(tuple(recalls) != RECALLS for recalls in (event.retrieval or {}).values()):
            raise UserError(
                f"{run}: the log's evaluation after {event.learned} tasks has other recalls than "
                f"{', '.join(RECALLS)}"
            )
    return RetrievalRows(sets, tuple(tuple((e.retrieval or {}).values()) for e in evaluated))
