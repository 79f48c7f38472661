"""Adaptive weight consolidation (GIFT): how much a weight is held is decided by each step's gradient."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


@torch.no_grad()
def consolidate(
    gradients: Sequence[Tensor], weights: Iterable[Tensor], start: Iterable[Tensor], strength: float
) -> Tensor:
    """λ Σ F (θ − θ*)² with F = g² / mean(g²), the mean over each tensor by itself.

    Args:
        gradients: g per tensor. The gradient of the sum, with F held constant, 2 λ F (θ − θ*), is added
            to it in place: a copy of the model less.
        weights: θ.
        start: θ*.
        strength: λ.

    Returns:
        The sum, a scalar.
    """
    values = []
    for g, theta, before in zip(gradients, weights, start, strict=True):
        squared, moved = g.square(), theta - before
        mean = squared.mean().clamp_min(torch.finfo(g.dtype).tiny)  # of no gradient: F = 0
        pull = squared.mul_(moved).div_(mean)  # F (θ − θ*)
        g.add_(pull, alpha=2 * strength)
        values.append(moved.mul_(pull).sum())
    return strength * torch.stack(values).sum()
