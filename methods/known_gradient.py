"""A term of a loss whose gradient was computed already."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


class _WithGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, count: int, *tensors: Tensor) -> Tensor:
        ctx.gradients = tensors[count:]
        return value.clone()

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor) -> tuple[Tensor | None, ...]:
        ours = [gradient.mul_(upstream[0]) for gradient in ctx.gradients]
        return (None, None, *ours, *[None] * len(ours))


def with_gradient(value: Tensor, weights: Sequence[Tensor], gradients: Sequence[Tensor]) -> Tensor:
    """A scalar with this value, whose derivatives by ``weights`` are ``gradients``.

    Args:
        value: scalar; its own graph is left out.
        weights: what trains.
        gradients: of the same shapes; the backward pass, which there may be one of, uses them up.
    """
    known: Tensor = _WithGradient.apply(value.detach(), len(weights), *weights, *gradients)
    return known
