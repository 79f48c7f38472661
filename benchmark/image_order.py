"""One pass over a task's training images: in which order, and with which crops."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from cl_bench.benchmark.images import Images


@dataclass(frozen=True)
class ImageOrder:
    """The order of one pass over N images.

    Attributes:
        rows: of the images, int64 [N].
        seeds: of their crops, in the same order, int64 [N]; ``None``: as they are.
    """

    rows: Tensor
    seeds: Tensor | None

    @classmethod
    def draw(cls, count: int, generator: torch.Generator, *, cropped: bool) -> ImageOrder:
        """A fresh order of ``count`` images."""
        rows = torch.randperm(count, generator=generator)
        if not cropped:
            return cls(rows, None)
        # all seeds at once: they do not depend on how far ahead batches are made
        return cls(rows, torch.randint(2**62, (count,), generator=generator))

    def among(self, rows: Tensor) -> ImageOrder:
        """The same order of some images of a data set, int64 ``rows`` [N]."""
        return replace(self, rows=rows[self.rows])

    @classmethod
    def as_stored(cls, count: int) -> ImageOrder:
        """``count`` images one after the other, whole."""
        return cls(torch.arange(count), None)

    def pixels(self, images: Images, part: slice, size: int) -> Tensor:
        """Some of its images, uint8 [B, C, H, H]; crops are of side ``size``."""
        if self.seeds is None:
            return images.take(self.rows[part])
        return images.crop(self.rows[part], self.seeds[part], size)
