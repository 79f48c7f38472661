"""How CoDyRA's gates are driven to zero: a threshold that rises in training, and two operators."""

from __future__ import annotations

import torch
from torch import Tensor

LEVELS = 50  # thresholds of the grid, from 0 to the largest


def threshold_of(iteration: int, iterations: int, dense_share: float, largest: float) -> float:
    """κ behind an iteration's optimizer step.

    The first share of the iterations is dense: κ = 0. From then on κ climbs the grid
    0, largest/49, ..., largest in equal intervals, one level at the first iteration that is not dense;
    but no gate is shrunk at that one. Published: 500 iterations, half of them dense, a level every 5.

    Args:
        iteration: 0, 1, ..., iterations - 1.
        iterations: of the task.
        dense_share: of the iterations, in [0, 1].
        largest: the grid's last level.
    """
    dense = int(dense_share * iterations)
    if iteration <= dense:
        return 0.0
    level = (iteration - dense) * LEVELS // (iterations - dense) + 1
    return min(level, LEVELS - 1) * largest / (LEVELS - 1)


def released_threshold(g: Tensor, k: float) -> Tensor:
    """The published code's operator: gates below 2k become zero, the others shrink by k.

    It assigns three times in a row, so that what the first two leave below k is set to zero, too.

    Args:
        g: gates of any shape.
        k: κ >= 0.
    """
    g = torch.where(g > k, g - k, g)
    g = torch.where(g < -k, g + k, g)
    return torch.where(g.abs() < k, 0.0, g)


def soft_threshold(g: Tensor, k: float) -> Tensor:
    """The paper's operator, the proximal step of k·‖g‖₁: sign(g)·max(|g| − k, 0)."""
    return g.sign() * (g.abs() - k).clamp_min(0)
