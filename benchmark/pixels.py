"""From uint8 pixels to what a backbone takes in."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from cl_bench.benchmark.resize import resize


@dataclass(frozen=True)
class Pixels:
    """Turns uint8 pixels into the backbone's normalised input, on its device.

    Attributes:
        size: side S of the backbone's input in pixels.
        mean: per-channel mean of pixel values in [0, 1], float32 [3, 1, 1].
        std: per-channel standard deviation, float32 [3, 1, 1].
    """

    size: int
    mean: Tensor
    std: Tensor

    def __call__(self, pixels: Tensor) -> Tensor:
        """Resize and normalise uint8 [B, 1 or 3, H, H] to float32 [B, 3, S, S]."""
        there = pixels.to(self.mean.device, non_blocking=True)
        images = resize(there, self.size).float().div_(255).expand(-1, 3, -1, -1)
        return (images - self.mean).div_(self.std)
