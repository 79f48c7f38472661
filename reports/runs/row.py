"""One row of a table: a method with one choice of settings, its seeds taken together."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.metrics import INCREMENTAL, METRICS

ALL_TASKS = "all tasks"  # the need of a method that trains on every task from the start


@dataclass(frozen=True)
class Row:
    """One method with one choice of settings, its seeds taken together.

    Attributes:
        label: the method and, where it has namesakes in the group, as few settings as tell them
            apart.
        differs: every setting in which the namesakes differ, in words; empty without namesakes.
        runs: its finished runs, by seed.
    """

    label: str
    differs: str
    runs: tuple[RunResult, ...]

    def mean(self, metric: str) -> float | None:
        """The mean over seeds, or ``None`` where the metric does not exist (one task)."""
        values = self.values(metric)
        return fmean(values) if values else None

    @property
    def bound(self) -> bool:
        """Whether this is a reference that learns by other rules than the methods."""
        return self.runs[0].config.bound

    @property
    def untrained(self) -> bool:
        """Whether no accuracy of any run ever left zero-shot."""
        return all(set(run.matrix.rows) == {run.matrix.zero_shot} for run in self.runs)

    @property
    def dirty(self) -> bool:
        """Whether one of its runs was made from a source tree with uncommitted changes."""
        return any(run.manifest.dirty for run in self.runs)

    @cached_property
    def name(self) -> str:
        """The label, why it is not ranked, and whether an accuracy of one of its runs was at chance."""
        kept_out = " (bound)" if self.bound else " (dirty tree)" if self.dirty else ""
        collapse = " (collapse)" if any(run.collapses for run in self.runs) else ""
        return f"{self.label}{kept_out}{collapse}"

    def values(self, metric: str) -> tuple[float, ...]:
        """The metric of every seed; of a model that saw all tasks from the start, no metric over the sequence."""
        every_task = ALL_TASKS in self.runs[0].config.extra_data
        if every_task and metric != "last" and metric in METRICS | INCREMENTAL:
            return ()
        return tuple(metrics[metric] for metrics in self._metrics if metric in metrics)

    @cached_property
    def _metrics(self) -> list[dict[str, float]]:
        """All metrics of every seed."""
        return [run.metrics() for run in self.runs]

    def held_out_curve(self, name: str) -> list[tuple[float, ...]]:
        """Of every seed the accuracy on a held-out set: before anything was learned, then after each task."""
        return list(zip(*(run.held_out.curves()[name] for run in self.runs), strict=True))

    def retrieval_curve(self, name: str, recall: str) -> list[tuple[float, ...]]:
        """Of every seed a recall in a retrieval set: before anything was learned, then after each task."""
        return list(zip(*(run.retrieval.curve(name, recall) for run in self.runs), strict=True))
