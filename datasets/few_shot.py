"""Few-shot training sets: so many images of every class; one seed always draws the same ones."""

from __future__ import annotations

import random
from collections.abc import Mapping

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
    labels, images = np.unique(targets, return_counts=True)
    counts = dict(zip(labels.tolist(), np.minimum(images, shots).tolist(), strict=True))
    return drawn(targets, counts, seed, task)


def drawn(
    targets: NDArray[np.int64], counts: Mapping[int, int], seed: int, task: str
) -> NDArray[np.int64]:
    """Draw so many images of each class, by class; see :func:`choose`."""
    chosen: list[int] = []
    for label, count in counts.items():
        rows = np.flatnonzero(targets == label).tolist()
        chosen += random.Random(f"{seed}/{task}/{label}").sample(rows, count)
    return np.array(sorted(chosen), dtype=np.int64)
