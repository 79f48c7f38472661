"""The patch embedding of an image tower, as the one matrix product that it is."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class PatchEmbedding(nn.Module):
    """A convolution whose windows do not overlap; keeps the parameter's name and shape.

    On a GPU, it is computed as a product of the patches: convolution kernels are made for windows that
    overlap, and take six times as long. Elsewhere it stays a convolution, as fast and bit for bit the same
    as before.
    """

    def __init__(self, original: nn.Conv2d) -> None:
        """Take over the weight of ``original``: stride as kernel, no padding, no bias."""
        super().__init__()
        self.weight = original.weight  # [d, 3, P, P]

    def forward(self, images: Tensor) -> Tensor:
        """Patches [B, d, S/P, S/P] of images [B, 3, S, S]."""
        if images.is_cuda:
            return self.product(images)
        return F.conv2d(images, self.weight, stride=self.weight.shape[-1])

    def product(self, images: Tensor) -> Tensor:
        """The same, in other roundings."""
        size = self.weight.shape[-1]
        rows = images.unflatten(3, (-1, size)).unflatten(2, (-1, size))  # [B, 3, S/P, P, S/P, P]
        rows = rows.permute(0, 2, 4, 1, 3, 5).flatten(3)  # [B, S/P, S/P, 3·P·P]
        return F.linear(rows, self.weight.flatten(1)).permute(0, 3, 1, 2)
