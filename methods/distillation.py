"""Distillation by soft targets (Hinton et al. 2015, arXiv 1503.02531)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def soft_cross_entropy(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """D(t, s) = T²·mean over rows of CE(softmax(t/T), log_softmax(s/T)), a scalar.

    It differs from the Kullback-Leibler divergence by the teacher's entropy, a constant.

    Args:
        teacher: logits [N, C].
        student: logits [N, C].
        temperature: T.
    """
    targets = (teacher / temperature).softmax(dim=-1)
    return temperature**2 * F.cross_entropy(student / temperature, targets)
