"""mini-MNIST: real handwriting from scikit-learn, and digits drawn as strokes for pretraining."""

from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cl_bench.datasets.mini.canvas import SIZE, Array, Canvas, Painter, join, lift

PER_CLASS = {"train": 60, "test": 20}

# The corners of each digit's strokes; a digit may need several strokes.
STROKES: tuple[tuple[tuple[tuple[float, float], ...], ...], ...] = (
    (((0, -0.7), (0.4, -0.4), (0.4, 0.4), (0, 0.7), (-0.4, 0.4), (-0.4, -0.4), (0, -0.7)),),
    (((-0.25, -0.4), (0.1, -0.7), (0.1, 0.7)),),
    (((-0.4, -0.4), (0, -0.7), (0.4, -0.4), (0.3, 0), (-0.4, 0.7), (0.45, 0.7)),),
    (((-0.4, -0.6), (0.1, -0.7), (0.4, -0.4), (0, 0), (0.4, 0.3), (0.1, 0.7), (-0.4, 0.6)),),
    (((0.1, -0.7), (-0.4, 0.2), (0.45, 0.2)), ((0.2, -0.2), (0.15, 0.7))),
    (((0.4, -0.7), (-0.3, -0.7), (-0.35, -0.1), (0.2, -0.1), (0.4, 0.3), (0.1, 0.7), (-0.4, 0.6)),),
    (((0.2, -0.7), (-0.3, -0.1), (-0.4, 0.4), (0, 0.7), (0.4, 0.4), (0.1, 0.05), (-0.35, 0.3)),),
    (((-0.4, -0.7), (0.4, -0.7), (0, 0.7)),),
    (
        ((0, -0.7), (0.35, -0.4), (0, 0), (-0.35, -0.4), (0, -0.7)),
        ((0, 0), (0.4, 0.4), (0, 0.7), (-0.4, 0.4), (0, 0)),
    ),
    (((0.35, -0.3), (0, 0), (-0.35, -0.35), (0, -0.7), (0.35, -0.4), (0.3, 0.3), (0.1, 0.7)),),
)


def draw_digit(c: Canvas, digit: int) -> None:
    """Draw the strokes of ``digit`` with unsteady corners and a pen of any width."""
    width = c.vary(0.1, 0.28)
    strokes: list[Array] = []
    for corners in STROKES[digit]:
        shaky = [(x + c.vary(-0.09, 0.09), y + c.vary(-0.09, 0.09)) for x, y in corners]
        strokes.append(c.path(shaky, width))
    c.fill(join(*strokes), c.any_colour("black", "navy", "white", "red", "green", "yellow"))


def handwriting(
    split: Literal["train", "test"],
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return white digits on black: images [N, 3, 32, 32], labels [N], sorted by label."""
    from sklearn.datasets import load_digits  # a second to import, and naming a suite needs none

    digits: Any = load_digits()
    order = np.random.default_rng(8).permutation(len(digits.target))
    start, count = (
        (0, PER_CLASS["train"]) if split == "train" else (PER_CLASS["train"], PER_CLASS["test"])
    )
    chosen = [
        order[digits.target[order] == digit][start : start + count] for digit in range(len(STROKES))
    ]
    rows = np.concatenate(chosen)
    up = lift(8)
    grey = np.clip(up @ (digits.images[rows] / 16) @ up.T, 0, 1) * 255
    images = np.repeat(grey[:, None], 3, axis=1).astype(np.uint8)
    return images.reshape(-1, 3, SIZE, SIZE), digits.target[rows].astype(np.int64)


CLASSES: dict[str, Painter] = {
    str(digit): partial(draw_digit, digit=digit) for digit in range(len(STROKES))
}
