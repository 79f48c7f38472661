"""Scores as a run's directory holds them: best classes, their logits, log-sum-exp. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError


@dataclass(frozen=True)
class KeptScores:
    """Of N test images the k best classes.

    Attributes:
        classes: uint16 [N, k], best first, counted as predictions are.
        logits: of these classes, float32 [N, k].
        log_sum: the logarithm of the sum of exponentials of all logits, float32 [N].
    """

    classes: NDArray[np.uint16]
    logits: NDArray[np.float32]
    log_sum: NDArray[np.float32]

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The softmax of the first class over all classes, in [0, 1], float64 [N]."""
        first = self.logits[:, 0].astype(np.float64) - self.log_sum
        return np.minimum(np.exp(first), 1.0)


def kept_scores(
    file: Path, classes: Mapping[str, NDArray[Any]], logits: Mapping[str, NDArray[Any]]
) -> dict[str, KeptScores]:
    """By task, what two files hold.

    Args:
        file: of the logits, for the message.
        classes: by task, [N, k].
        logits: by task, [N, k + 1].

    Raises:
        UserError: they are not of the same images, or in another form.
    """
    for task, of in classes.items():
        there = logits.get(task)
        fits = there is not None and there.dtype == np.float32 and of.ndim == 2 and of.shape[1] > 0
        if there is None or not fits or there.shape != (len(of), of.shape[1] + 1):
            raise UserError(f"{file} is damaged: {task} has no logits of its kept classes")
    return {t: KeptScores(of, logits[t][:, :-1], logits[t][:, -1]) for t, of in classes.items()}


def wrong_scores(
    scores: Mapping[str, KeptScores], predicted: Mapping[str, NDArray[np.uint16]], top: int
) -> str | None:
    """What of a row's scores does not go with its predictions or with itself, in words; ``None``: nothing."""
    if scores.keys() != predicted.keys():
        return "the scores are of other tasks than the predictions"
    for task, of in scores.items():
        if of.classes.shape[1] > top:
            return f"there are {of.classes.shape[1]} classes of an image of {task}, and {top} were asked for"
        if not np.array_equal(of.classes[:, 0], predicted[task]):
            return f"the first of the best classes of {task} are not the predicted ones"
        if not (np.diff(of.logits, axis=1) <= 0).all():
            return f"the best classes of {task} are not in the order of their logits"
        above = of.log_sum - np.logaddexp.reduce(of.logits.astype(np.float64), axis=1)
        if not (np.isfinite(of.log_sum) & (above >= -1e-3)).all():
            return f"the log-sum-exp of {task} is less than that of its best classes"
    return None
