"""Whether tensors hold finite numbers alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import torch
from torch import Tensor

K = TypeVar("K")


def first_not_finite(tensors: Mapping[K, Tensor]) -> K | None:
    """The key of the first tensor that holds an infinite number or none; ``None``: all are finite.

    Waits for the device once.

    Args:
        tensors: of any shape and dtype, on the device of the first one or on the CPU.
    """
    finite = [tensor.isfinite().all() for tensor in tensors.values()]
    if not finite:
        return None
    flags = torch.stack([flag.to(finite[0].device) for flag in finite]).tolist()
    return next((key for key, good in zip(tensors, flags, strict=True) if not good), None)
