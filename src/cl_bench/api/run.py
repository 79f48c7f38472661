"""A run as Python sees it: its matrix, metrics, predictions, cost and picture. No torch."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.benchmark.records.events import Event
from cl_bench.benchmark.records.kept_scores import KeptScores
from cl_bench.reports.runs.cost import Cost

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")


@dataclass(frozen=True)
class Run:
    """A run's directory, read once; every file of it is as it was written.

    Attributes:
        result: what was read.
    """

    result: RunResult

    @classmethod
    def read(cls, path: Path | str) -> Run:
        """Read a run's directory.

        Raises:
            UserError: it is no run, or damaged; names the file.
        """
        return cls(read_run(Path(path)))

    @property
    def path(self) -> Path:
        """Its directory."""
        return self.result.path

    @property
    def config(self) -> RunConfig:
        """Everything that was decided before it began."""
        return self.result.config

    @property
    def finished(self) -> bool:
        """Whether every task is learned and evaluated."""
        return self.result.finished

    @property
    def remarks(self) -> tuple[str, ...]:
        """What a reader of the results must know: of the method's rules first, then of the data."""
        return (*self.config.beware, *self.result.remarks, *self.result.collapses)

    @property
    def matrix(self) -> AccuracyMatrix:
        """Accuracies in per cent, rows after each task; ``.to_frame()`` for pandas."""
        return self.result.matrix

    @property
    def metrics(self) -> dict[str, float]:
        """Transfer, Average, Last and the others, in per cent; before the end ``zero_shot`` and what is known.

        What is evaluated beside the matrix has metrics of its own: ``held_out_last``, ``retrieval_last``,
        ``incremental`` and others.
        """
        return self.result.metrics()

    @property
    def cost(self) -> Cost:
        """Parameters, bytes, seconds, images; ``None`` where the log does not hold one."""
        return Cost.of(self.result.known_events)

    @property
    def events(self) -> list[Event]:
        """The log, event by event."""
        return self.result.events

    def predictions(self, task: str, after: int) -> NDArray[np.uint16]:
        """Predicted class of every test image of a task.

        Args:
            task: its name.
            after: how many tasks were learned then; 0: zero-shot.

        Returns:
            uint16 [N], indices into the classes that are chosen between.

        Raises:
            UserError: there is no such task, or no such row yet.
        """
        self._must_have_row(after)
        return _of_task(self.result.predictions(after), task)

    def scores(self, task: str, after: int) -> KeptScores:
        """The best classes of every test image of a task with their logits; arguments as of ``predictions``.

        Raises:
            UserError: the run keeps none, or there is no such task or row.
        """
        self._must_have_row(after)
        if self.result.manifest.scores is None:
            raise UserError(f"{self.path} keeps no scores: run it with scores=5 (--scores 5)")
        return _of_task(self.result.scores(after), task)

    def _must_have_row(self, after: int) -> None:
        learned = len(self.matrix.rows)
        if not 0 <= after <= learned:
            raise UserError(f"after={after}: the run has rows after 0 to {learned} tasks")

    def targets(self, task: str) -> NDArray[np.uint16]:
        """True class of every test image of a task, uint16 [N], as ``predictions`` counts them."""
        return _of_task(self.result.targets(), task)

    def plot(self) -> Figure:
        """The accuracy matrix as a heat map; ``figure.savefig(...)`` writes it."""
        from cl_bench.reports.plots.heat_map import draw_heat_map

        return draw_heat_map(self.result)

    def _repr_png_(self) -> bytes:
        """The heat map, which a notebook shows for a run."""
        picture = io.BytesIO()
        self.plot().savefig(picture, format="png")
        return picture.getvalue()

    def __repr__(self) -> str:
        """Method, order, seed and state in one line."""
        c, learned = self.config, f"{len(self.matrix.rows)} of {len(self.config.tasks)} tasks"
        return f"<Run {c.method} on {c.suite.name}, order {c.order}, seed {c.seed}: {learned}>"


def _of_task(by_task: dict[str, T], task: str) -> T:
    if task not in by_task:
        raise unknown("task of the run", task, by_task)
    return by_task[task]
