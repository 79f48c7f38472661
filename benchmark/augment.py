"""Random resized crops, the training transform of ZSCL and MoE-Adapters."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2


class RandomResizedCrop:
    """Crops of 90-100 % of the area, aspect 3/4 to 4/3, bicubic; a crop of its own per image.

    Draws from torch's global CPU generator, which the runner seeds per task.
    """

    def __init__(self, size: int) -> None:
        """``size`` is the side S of the result in pixels."""
        self._crop = v2.RandomResizedCrop(
            size, scale=(0.9, 1.0), interpolation=InterpolationMode.BICUBIC, antialias=True
        )

    def __call__(self, pixels: Tensor) -> Tensor:
        """Crop uint8 [B, 3, S, S]."""
        return torch.stack([self._crop(image) for image in pixels])
