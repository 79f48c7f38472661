"""The teacher's features of reference images, computed when an image is first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.endless import Endless
from cl_bench.benchmark.hand_over import inputs, sent
from cl_bench.benchmark.image_order import ImageOrder
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.precision import full_precision

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

    def batches(self, size: int, generator: torch.Generator) -> Endless[tuple[Tensor, Tensor]]:
        """Batches of images [B, 3, S, S] and their features [B, D], every pass in a fresh order.

        Args:
            size: images in a batch.
            generator: what the orders are drawn from.
        """

        def begin(done: int) -> Iterator[tuple[Tensor, Tensor]]:
            return ((x, features) for x, features, _ in self.one_pass(size, generator, done))

        return Endless(begin, generator)

    def one_pass(
        self, size: int, generator: torch.Generator, done: int
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """A pass in an order that is drawn at once, as ``Endless`` asks for it.

        Yields:
            Behind the first ``done`` batches: images, features, and which images these are, int64 [B]
            on the features' device.
        """
        count = len(self._images)
        order = ImageOrder.draw(count, generator, cropped=False)
        return self._pass(order, [slice(i, i + size) for i in range(done * size, count, size)])

    def _pass(
        self, order: ImageOrder, parts: Sequence[slice]
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        rows = sent(order.rows, self._features)
        images = inputs(self._images, order, parts, self._normalise)
        for x, part in zip(images, parts, strict=True):
            self._encode(order.rows[part])
            yield x, self._features[rows[part]], rows[part]

    def of(self, rows: Tensor) -> Tensor:
        """Features [B, D] of the images ``rows``, int64 [B] on the CPU."""
        self._encode(rows)
        return self._features[sent(rows, self._features)]

    @torch.no_grad()
    def _encode(self, rows: Tensor) -> None:
        """Know the features of the images ``rows``, int64 [B] on the CPU."""
        groups = sorted(set((rows // IMAGES_AT_ONCE).tolist()) - self._known)
        starts = [group * IMAGES_AT_ONCE for group in groups]
        parts = [slice(i, min(i + IMAGES_AT_ONCE, len(self._images))) for i in starts]
        order = ImageOrder.as_stored(len(self._images) if groups else 0)
        images = inputs(self._images, order, parts, self._normalise)
        with full_precision(self._features.device):  # they are asked for again in every pass
            for x, part in zip(images, parts, strict=True):
                self._features[part] = self._teacher.encode_images(x)
        self._known.update(groups)
