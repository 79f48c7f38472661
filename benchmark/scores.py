"""The best classes of every test image with their logits: near misses and calibration need no second run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Scores:
    """Of N images the k best classes.

    Attributes:
        classes: int64 [N, k], best first; of classes with equal logits that of the lowest index.
        logits: of these classes, float32 [N, k].
        log_sum: the logarithm of the sum of exponentials of all C logits, float32 [N].
    """

    classes: Tensor
    logits: Tensor
    log_sum: Tensor


def columns(classes: int, top: int) -> int:
    """How many numbers ``best`` gives an image that is classified over so many classes."""
    return 2 * min(top, classes) + 1


def best(logits: Tensor, top: int) -> Tensor:
    """The best classes, their logits and the log-sum-exp of an image in a row, float64 [B, 2k + 1].

    The first class is that of ``argmax``: sorting is stable, and not a number counts as the largest.
    """
    values, classes = logits.sort(dim=-1, descending=True, stable=True)
    k = min(top, logits.shape[-1])
    log_sum = logits.double().logsumexp(dim=-1, keepdim=True).float()
    parts = (classes[:, :k], values[:, :k].float(), log_sum)
    return torch.cat([part.double() for part in parts], dim=-1)


def unpacked(rows: Tensor) -> Scores:
    """What ``best`` packed, of all images."""
    k = rows.shape[-1] // 2
    return Scores(rows[:, :k].long(), rows[:, k : 2 * k].float(), rows[:, -1].float())
