"""The teacher's features of reference images, computed when an image is first asked for."""

from __future__ import annotations

import torch
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels

IMAGES_AT_ONCE = 64  # per forward pass of the teacher


class ReferenceImages:
    """Reference images with features that are remembered.

    Exact: the images are never augmented and the teacher never changes. They are encoded in fixed
    groups, whoever asks first, so that a resumed run remembers the same bits.
    """

    def __init__(self, images: Images, normalise: Pixels, teacher: Clip) -> None:
        """Encode nothing yet."""
        self._images, self._normalise, self._teacher = images, normalise, teacher
        self._features = torch.zeros(len(images), teacher.model.visual.output_dim)
        self._features = self._features.to(teacher.device)
        self._known: set[int] = set()  # groups

    def at(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Images [B, 3, S, S] and features [B, D] of ``rows``, int64 [B] on the CPU."""
        return self._normalise(self._images.take(rows)), self.of(rows)

    @torch.no_grad()
    def of(self, rows: Tensor) -> Tensor:
        """Features [B, D] of the images ``rows``, int64 [B] on the CPU."""
        for group in set((rows // IMAGES_AT_ONCE).tolist()) - self._known:
            end = min((group + 1) * IMAGES_AT_ONCE, len(self._images))
            here = torch.arange(group * IMAGES_AT_ONCE, end)
            images = self._normalise(self._images.take(here))
            self._features[here] = self._teacher.encode_images(images).float()
            self._known.add(group)
        return self._features[rows.to(self._features.device)]
