"""Pillow's bicubic resize as two matrix products: the same bytes on every device.

The published code resizes with Pillow. Small native images (32 x 32, 64 x 64) are kept small and
resized when they are used, on the model's device. No pixel differs from Pillow's result.
"""

from __future__ import annotations

import functools
import math

import torch
from torch import Tensor

BITS = 22  # Pillow's fixed-point weights: 32 bits less 8 of the pixel and 2 of head room
A = -0.5  # of the bicubic kernel
RADIUS = 2  # of its support


def resize(pixels: Tensor, size: int) -> Tensor:
    """Resize square images as ``PIL.Image.resize((S, S), BICUBIC)`` does.

    Args:
        pixels: uint8 [B, C, H, H].
        size: S.

    Returns:
        uint8 [B, C, S, S] on the same device.
    """
    if pixels.shape[-1] == size:
        return pixels
    W = _weights(pixels.shape[-1], size, pixels.device)  # [S, H]
    wide = _to_bytes(pixels.double() @ W.T)  # [B, C, H, S]: Pillow rounds between its passes, too
    return _to_bytes(W @ wide).to(torch.uint8)


def _to_bytes(sums: Tensor) -> Tensor:
    """Fixed-point sums as whole values 0..255. Below 2^31, they are exact in float64."""
    return sums.add_(2 ** (BITS - 1)).div_(2**BITS).floor_().clamp_(0, 255)


@functools.cache
def _weights(old: int, new: int, device: torch.device) -> Tensor:
    """Fixed-point weights, float64 [new, old], of every old pixel in every new one."""
    scale = old / new
    stretch = max(scale, 1.0)  # the kernel is wider where the image becomes smaller
    W = torch.zeros(new, old, dtype=torch.float64)
    for i in range(new):
        centre = (i + 0.5) * scale
        first = max(int(centre - RADIUS * stretch + 0.5), 0)
        last = min(int(centre + RADIUS * stretch + 0.5), old)
        weights = [_bicubic((j - centre + 0.5) / stretch) for j in range(first, last)]
        total = sum(weights)
        for j, weight in zip(range(first, last), weights, strict=True):
            fixed = weight / total * 2**BITS
            W[i, j] = int(fixed + math.copysign(0.5, fixed))
    return W.to(device)


def _bicubic(x: float) -> float:
    """Keys' kernel at distance ``x``."""
    x = abs(x)
    if x < 1:
        return ((A + 2) * x - (A + 3)) * x * x + 1
    return (((x - 5) * x + 8) * x - 4) * A if x < RADIUS else 0.0
