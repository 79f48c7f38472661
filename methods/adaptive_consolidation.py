"""Adaptive weight consolidation (GIFT): how much a weight is held is decided by each step's gradient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


@torch.no_grad()
def consolidate(
    gradients: Sequence[Tensor],
    weights: Iterable[Tensor],
    start: Iterable[Tensor],
    strength: float,
    rows: Iterable[Tensor | None],
) -> Tensor:
    """λ Σ F (θ − θ*)² with F = g² / mean(g²), the mean over each tensor by itself.

    Args:
        gradients: g per tensor. The gradient of the sum, with F held constant, 2 λ F (θ − θ*), is added
            to it in place: a copy of the model less.
        weights: θ.
        start: θ*.
        strength: λ.
        rows: per tensor, int64 [n], outside of which rows g is zero, so that F is; ``None``: nowhere.

    Returns:
        The sum, a scalar.
    """
    values = []
    for g, theta, before, own in zip(gradients, weights, start, rows, strict=True):
        parts = [g, theta, before] if own is None else [x[own] for x in (g, theta, before)]
        squared, moved = parts[0].square(), parts[1] - parts[2]
        mean = (squared.sum() / g.numel()).clamp_min(
            torch.finfo(g.dtype).tiny
        )  # no gradient: F = 0
        pull = squared.mul_(moved).div_(mean)  # F (θ − θ*)
        if own is None:
            g.add_(pull, alpha=2 * strength)
        else:
            g.index_add_(0, own, pull, alpha=2 * strength)
        values.append(moved.mul_(pull).sum())
    return strength * torch.stack(values).sum()
