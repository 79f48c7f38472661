"""From where data lies to the model's device, without anybody waiting for the copy."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from torch import Tensor

from cl_bench.benchmark.image_order import ImageOrder
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.prefetch import prefetch

CROPPERS = min(os.cpu_count() or 1, 16)  # threads that decode and crop training images


def sent(x: Tensor, like: Tensor) -> Tensor:
    """``x`` on the device of ``like``; if that is a GPU, by way of pinned memory."""
    return _ready(x, like).to(like.device, non_blocking=True)


def inputs(
    images: Images, order: ImageOrder, parts: Iterable[slice], normalise: Pixels
) -> Iterator[Tensor]:
    """The backbone's input for parts of a pass over images, float32 [B, 3, S, S] each.

    Images that lie on the device are chosen there. Others are read, cropped and put into pinned memory
    by threads, ahead of whoever asks; their copy to the device is in line behind its present work.

    Args:
        images: the data set.
        order: of the pass.
        parts: of ``order``, one for every batch.
        normalise: makes the backbone's input of pixels, on its device.
    """
    if images.pixels.is_cuda and order.seeds is None:
        rows = sent(order.rows, images.pixels)  # once: a copy for every batch would be waited for
        yield from (normalise(images.pixels[rows[part]]) for part in parts)
        return

    def make(part: slice) -> Tensor:
        return _ready(order.pixels(images, part, normalise.size), normalise.mean)

    workers = 1 if order.seeds is None else CROPPERS
    yield from map(normalise, prefetch(make, parts, workers))


def _ready(x: Tensor, like: Tensor) -> Tensor:
    """``x`` where a GPU can fetch it by itself, if it goes from the host to a GPU."""
    return x.pin_memory() if like.is_cuda and not x.is_cuda else x
