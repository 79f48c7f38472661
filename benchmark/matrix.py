"""Accuracy, the matrix of accuracies, and its metrics: Transfer, Average, Last, forgetting, BWT, FWT.

Each of them is computed here and nowhere else; docs/definitions.md holds their formulas. No torch.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


METRICS_SINCE = frozenset({"forward_transfer"})  # what records from before them lack


def accuracy(right: NDArray[np.bool_]) -> float:
    """Per cent of the predictions [N] that are right."""
    return 100.0 * int(right.sum()) / len(right)


@dataclass(frozen=True)
class AccuracyMatrix:
    """Accuracies in per cent of a run over T tasks.

    Definitions after Zheng et al. 2023 (ZSCL, arXiv 2303.06628, section 4): with a_ij the accuracy
    on task j after learning task i, Transfer_j = mean_{i<j} a_ij (j >= 2),
    Average_j = mean_{i=1..T} a_ij, Last_j = a_Tj; each metric is the plain mean over its tasks.

    Attributes:
        tasks: the T task names in the order in which they are learned.
        zero_shot: accuracy on every task before anything was learned, [T].
        rows: ``rows[i - 1][j - 1]`` = a_ij; one row per task learned so far, at most T.
    """

    tasks: tuple[str, ...]
    zero_shot: tuple[float, ...]
    rows: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        """Raise ``ValueError`` where a row does not fit the tasks."""
        if len(self.rows) > len(self.tasks):
            raise ValueError(f"{len(self.rows)} rows for {len(self.tasks)} tasks")
        for i, row in enumerate((self.zero_shot, *self.rows)):
            if len(row) != len(self.tasks):
                raise ValueError(f"row {i} has {len(row)} entries for {len(self.tasks)} tasks")
            if not all(0.0 <= a <= 100.0 for a in row):
                raise ValueError(f"row {i} holds a value that is not between 0 and 100: {row}")

    @property
    def complete(self) -> bool:
        """Whether every task has been learned."""
        return len(self.rows) == len(self.tasks)

    def after(self, learned: int) -> AccuracyMatrix:
        """The matrix as it was when so many tasks were learned."""
        return replace(self, rows=self.rows[:learned])

    # Below, n tasks are learned and there are n rows, n >= 1; n = T where the matrix is complete.

    @property
    def transfer_per_task(self) -> tuple[float, ...]:
        """Transfer_j for tasks 2..T: accuracy on a task before it was learned, [T-1]."""
        return tuple(fmean(row[j] for row in self.rows[:j]) for j in range(1, len(self.tasks)))

    @property
    def average_per_task(self) -> tuple[float, ...]:
        """Average_j: the mean over all rows, [T]."""
        return tuple(fmean(column) for column in zip(*self.rows, strict=True))

    @property
    def last_per_task(self) -> tuple[float, ...]:
        """Last_j: accuracy after the last task learned, [T]."""
        return self.rows[-1]

    @property
    def learned_per_task(self) -> tuple[float, ...]:
        """a_jj: accuracy on each task right after learning it, [n]."""
        return tuple(row[j] for j, row in enumerate(self.rows))

    @property
    def forgetting_per_task(self) -> tuple[float, ...]:
        """Best accuracy ever reached once learned, minus the last, for tasks 1..n-1, [n-1].

        After Chaudhry et al. 2018 (arXiv 1801.10112, section 3): max_{j<=i<n} a_ij - a_nj.
        """
        last, earlier = self.last_per_task, self.rows[:-1]
        return tuple(max(row[j] for row in earlier[j:]) - last[j] for j in range(len(earlier)))

    @property
    def backward_transfer_per_task(self) -> tuple[float, ...]:
        """a_nj - a_jj, the last accuracy minus the first one once learned, for tasks 1..n-1, [n-1].

        After Lopez-Paz and Ranzato 2017 (arXiv 1706.08840, section 2).
        """
        pairs = zip(self.last_per_task, self.learned_per_task[:-1], strict=False)
        return tuple(last - learned for last, learned in pairs)

    def incremental(self, images: Sequence[int]) -> tuple[float, ...]:
        """Accuracy over the test images of all tasks learned so far, after each of n tasks, [n].

        Every image counts once, so that a task counts by its size. The mean is the average incremental
        accuracy, after Rebuffi et al. 2017 (iCaRL, arXiv 1611.07725, section 4), who classify over the
        classes seen so far.

        Args:
            images: how many test images each of the T tasks has.
        """
        return tuple(
            sum(row[j] * images[j] for j in range(n)) / sum(images[:n])
            for n, row in enumerate(self.rows, start=1)
        )

    @property
    def forward_transfer_per_task(self) -> tuple[float, ...]:
        """a_(j-1)j minus the accuracy on task j before anything was learned, for tasks 2..n+1 <= T.

        After Lopez-Paz and Ranzato 2017 (arXiv 1706.08840, section 2). Their reference is a model at its
        random start; a CLIP starts pre-trained, so here it is the zero-shot accuracy.
        """
        ahead = range(1, min(len(self.rows) + 1, len(self.tasks)))
        return tuple(self.rows[j - 1][j] - self.zero_shot[j] for j in ahead)

    def to_frame(self) -> pd.DataFrame:
        """Accuracies in per cent: a row ``zero-shot``, then one after each task; a column per task."""
        import pandas as pd

        index = pd.Index(["zero-shot", *self.tasks[: len(self.rows)]], name="after")
        return pd.DataFrame([self.zero_shot, *self.rows], index=index, columns=list(self.tasks))

    def so_far(self) -> dict[str, float]:
        """The metrics after n of T tasks, in per cent; after the last task, those of ``metrics``.

        Transfer over every task not learned first, Average over all tasks, both over the n rows that
        exist; Last and forgetting over the n tasks learned. Empty before the first row.
        """
        n, T = len(self.rows), len(self.tasks)
        if n == 0:
            return {}
        metrics = {
            "average": fmean(self.average_per_task),
            "last": fmean(self.last_per_task[:n]),
            "learned": fmean(self.learned_per_task),
        }
        if T > 1:
            metrics["transfer"] = fmean(self.transfer_per_task)
        if n > 1:
            metrics["forgetting"] = fmean(self.forgetting_per_task)
        return metrics

    def metrics(self) -> dict[str, float]:
        """Every metric of the run, in per cent (points for differences).

        Metrics that need an earlier or a later task are left out where T = 1; an incomplete
        matrix has the zero-shot mean alone.
        """
        metrics = {"zero_shot": fmean(self.zero_shot)}
        if not self.complete:
            return metrics
        metrics |= {
            "average": fmean(self.average_per_task),
            "last": fmean(self.last_per_task),
            "learned": fmean(self.learned_per_task),
        }
        if len(self.tasks) > 1:
            metrics |= {
                "transfer": fmean(self.transfer_per_task),
                "zero_shot_transfer": fmean(self.zero_shot[1:]),
                "forgetting": fmean(self.forgetting_per_task),
                "backward_transfer": fmean(self.backward_transfer_per_task),
                "forward_transfer": fmean(self.forward_transfer_per_task),
            }
        return metrics

    def metrics_as_in(self, recorded: Collection[str]) -> dict[str, float]:
        """``metrics``, without those that came after a record which does not hold them.

        Args:
            recorded: names of the metrics that the record holds.
        """
        missing = METRICS_SINCE.difference(recorded)
        return {name: value for name, value in self.metrics().items() if name not in missing}
