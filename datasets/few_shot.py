"""Few-shot training sets: so many images of every class; one seed always draws the same ones."""

from __future__ import annotations

import random

import numpy as np
from numpy.typing import NDArray


def choose(targets: NDArray[np.int64], shots: int, seed: int, task: str) -> NDArray[np.int64]:
    """Draw ``shots`` images of every class; all of a class that has fewer.

    Depends on the data set's file order, ``seed`` and ``task`` alone, not on any library's
    generator: Python's own has drawn the same samples since 3.2.

    Args:
        targets: class of every training image, int64 [N].
        shots: images per class.
        seed: of the run.
        task: its name.

    Returns:
        Rows of ``targets``, ascending, int64.
    """
    chosen: list[int] = []
    for label in np.unique(targets).tolist():
        rows = np.flatnonzero(targets == label).tolist()
        draw = random.Random(f"{seed}/{task}/{label}")
        chosen += draw.sample(rows, min(shots, len(rows)))
    return np.array(sorted(chosen), dtype=np.int64)
