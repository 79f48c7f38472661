"""Masks of bits, eight in a byte."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def packed(mask: Tensor) -> Tensor:
    """The bits of a mask, bool of any shape with n entries, as uint8 [⌈n/8⌉]; the first is the highest."""
    bits = F.pad(mask.flatten().to(torch.uint8), (0, -mask.numel() % 8)).view(-1, 8)
    return (bits << _shifts(mask.device)).sum(dim=1, dtype=torch.uint8)


def unpacked(bits: Tensor, shape: torch.Size) -> Tensor:
    """Undo ``packed`` for a mask of this shape."""
    mask = (bits[:, None] >> _shifts(bits.device)) & 1
    return mask.flatten()[: shape.numel()].view(shape).bool()


def _shifts(device: torch.device) -> Tensor:
    return torch.arange(7, -1, -1, dtype=torch.uint8, device=device)
