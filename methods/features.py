"""Statistics of what flows into q, k, v and o, gathered while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor

from cl_bench.benchmark.attention import Attention


class Statistic(Protocol):
    """A running summary of features that can be turned into a Gram matrix."""

    def add(self, x: Tensor) -> None:
        """Take in the features [B, L, d] of one batch."""

    def gram(self) -> Tensor:
        """The Gram matrix of the summary, float64 [d, d], on the features' device."""


class BatchMean:
    """M = mean over batches of X, element by element, as KeepLoRA's published code keeps it.

    It averages unrelated images that share a place in their batches: with many batches only the
    per-position mean feature is left (specification, quirk 2).
    """

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.mean: Tensor | None = None  # float32 [B, L, d]
        self._batches = 0

    def add(self, x: Tensor) -> None:
        """Take in [B, L, d]; every batch must have the same shape."""
        self._batches += 1
        if self.mean is None:
            self.mean = x.float().clone()
        else:
            self.mean += (x - self.mean) / self._batches

    def gram(self) -> Tensor:
        """MMᵀ over all B·L columns of M."""
        assert self.mean is not None, "no features were added"
        return gram(self.mean.flatten(0, 1))


class Gram:
    """C = Σ x xᵀ over every feature x, accumulated in place: the paper's statistic."""

    def __init__(self, keep: Tensor | None = None) -> None:
        """Nothing seen yet; ``keep`` bool [B, L] selects the features that count (default all)."""
        self._keep = keep
        self._sum: Tensor | None = None  # float64 [d, d]

    def add(self, x: Tensor) -> None:
        """Take in [B, L, d]."""
        features = x.flatten(0, 1) if self._keep is None else x[self._keep]
        update = gram(features)
        self._sum = update if self._sum is None else self._sum.add_(update)

    def gram(self) -> Tensor:
        """C, float64 [d, d]."""
        assert self._sum is not None, "no features were added"
        return self._sum


def gram(features: Tensor) -> Tensor:
    """XᵀX of features [N, d] as float64 [d, d].

    Products are taken in float32 over slices of 2,048 features and summed in float64: near the
    speed of the one and, for the energies compared with thresholds, the exactness of the other.
    """
    d = features.shape[-1]
    total = torch.zeros(d, d, dtype=torch.float64, device=features.device)
    with torch.autocast(features.device.type, enabled=False):
        for part in features.float().split(2048):
            total += part.T @ part
    return total


@contextmanager
def watching(
    attentions: Sequence[Attention], new: Callable[[], Statistic]
) -> Iterator[list[dict[str, Statistic]]]:
    """Gather statistics of every forward pass inside the block.

    Args:
        attentions: the L blocks to watch.
        new: makes an empty statistic.

    Yields:
        Per block, the statistic of the input of q, k and v under ``"in"``, of o under ``"out"``.
    """
    statistics = [{"in": new(), "out": new()} for _ in attentions]
    for attention, of in zip(attentions, statistics, strict=True):
        attention.watch = lambda kind, x, of=of: of[kind].add(x)
    try:
        yield statistics
    finally:
        for attention in attentions:
            attention.watch = None
