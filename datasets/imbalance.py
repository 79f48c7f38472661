"""Which images of its tasks a run with rare classes or rare tasks trains on. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.few_shot import drawn
from cl_bench.datasets.long_tail import largest_ratio, long_tailed, ranks, share, whole

Counts = Mapping[str, Sequence[int]]
"""By task, the training images of each of its classes."""


@dataclass(frozen=True)
class Imbalance:
    """What is made rare.

    Nothing here depends on the method, on test images or on the order in which the tasks are learned.

    Attributes:
        classes: images of a task's most frequent class to those of its least frequent one; ``None``: as they
            are.
        tasks: the share that the most frequent task keeps of its images, to that of the least frequent one;
            ``None``: each keeps all.
        seed: of the run; draws who is frequent, and which images are kept.
    """

    classes: float | None
    tasks: float | None
    seed: int

    @classmethod
    def of(cls, protocol: Protocol, seed: int) -> Imbalance | None:
        """What a run's protocol asks for; ``None`` where that is nothing."""
        if protocol.is_imbalanced:
            return cls(protocol.imbalance, protocol.task_imbalance, seed)
        return None

    def counts(self, available: Counts) -> dict[str, list[int]]:
        """How many images of every class are kept, at least one.

        Args:
            available: all that there are, of the run's tasks.

        Raises:
            UserError: a class would be left without images.
        """
        return {
            task: [max(1, whole(n)) for n in asked]
            for task, asked in self._asked(available).items()
        }

    def choose(
        self, targets: Mapping[str, NDArray[np.int64]], counts: Counts
    ) -> dict[str, NDArray[np.int64]]:
        """Draw so many images of every class.

        Args:
            targets: by task, the class of every training image, int64 [N].
            counts: by task, the images of every class that are kept.

        Returns:
            By task, rows of its targets, ascending, int64.
        """
        return {
            task: drawn(of, dict(enumerate(counts[task])), self.seed, task)
            for task, of in targets.items()
        }

    def remarks(self, available: Counts) -> tuple[str, ...]:
        """Where the rules ask for less than one image of a class, in words."""
        kept = self.counts(available)
        return tuple(
            f"{task}: {rare} of {len(asked)} classes keep one training image where --task-imbalance "
            f"{self.tasks:g} asks for less; its classes have {_range(kept[task])}"
            for task, asked in self._asked(available).items()
            if (rare := sum(whole(n) < 1 for n in asked))
        )

    def _asked(self, available: Counts) -> dict[str, list[float]]:
        """What the rules ask for, in images, before less than one becomes one."""
        of_classes = self._long_tailed(available)
        if self.tasks is None:
            return {task: [float(n) for n in of] for task, of in of_classes.items()}
        names = sorted(available)  # the order in which they are learned decides nothing
        ranked = dict(zip(names, ranks(len(names), f"{self.seed}/tasks"), strict=True))
        shares = {task: share(self.tasks, rank, len(names)) for task, rank in ranked.items()}
        return {task: [n * shares[task] for n in of] for task, of in of_classes.items()}

    def _long_tailed(self, available: Counts) -> dict[str, list[int]]:
        if bare := next((task for task, of in available.items() if 0 in of), None):
            raise UserError(
                f"{bare}: one of its {len(available[bare])} classes has no training image, so none can be rare: "
                "leave the class out of the suite file"
            )
        if self.classes is None:
            return {task: list(of) for task, of in available.items()}
        ranked = {
            task: ranks(len(of), f"{self.seed}/{task}/classes") for task, of in available.items()
        }
        kept = {task: long_tailed(of, self.classes, ranked[task]) for task, of in available.items()}
        if empty := next((task for task, of in kept.items() if 0 in of), None):
            most = min(largest_ratio(of, ranked[task]) for task, of in available.items())
            fewest, largest = min(available[empty]), max(available[empty])
            has = f"{fewest}" if fewest == largest else f"{fewest} to {largest}"
            raise UserError(
                f"--imbalance {self.classes:g} leaves a class of {empty} without images: it has "
                f"{len(available[empty])} classes of {has} training images; with these tasks and this seed write "
                f"--imbalance {math.floor(most * 100) / 100:g} or less"
            )
        return kept


def _range(counts: Sequence[int]) -> str:
    """``9 to 1``, or ``1 each``."""
    most, fewest = max(counts), min(counts)
    return f"{most} to {fewest}" if most > fewest else f"{most} each"
