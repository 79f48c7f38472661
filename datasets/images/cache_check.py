"""Check that cached pixels are still those that were written."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.images import digest_of_part, digest_of_parts
from cl_bench.benchmark.prefetch import prefetch
from cl_bench.datasets.images.image_files import DECODERS
from cl_bench.datasets.images.remembered import recall, remember, settled_stamp, stamp
from cl_bench.datasets.images.sidecar import Sidecar, damaged
from cl_bench.datasets.progress import Count


def check_pixels(path: Path, pixels: NDArray[np.uint8], about: Sidecar, count: Count) -> None:
    """Check all pixels, unless the same unchanged file was checked before.

    Args:
        path: of the cache file.
        pixels: what it holds, uint8 [n, 3, S, S].
        about: what was noted of them when they were written.
        count: hears of the progress.

    Raises:
        UserError: a byte is another than it was; names the file.
    """
    digest, now = digest_of_parts(about.parts), time.time_ns()
    before = os.stat(path)
    if recall(str(path.parent), "pixels").get(path.name) == [stamp(before), digest]:
        return
    if wrong_parts(pixels, about, count):
        raise damaged(path.with_suffix(".json"))
    if settled := settled_stamp(before, now):
        remember(str(path.parent), {path.name: [settled, digest]}, "pixels")


def wrong_parts(pixels: NDArray[np.uint8], about: Sidecar, count: Count) -> list[int]:
    """Which parts of the cached pixels are not as they were written."""
    rows, wrong = about.rows(), []
    digests = prefetch(lambda part: digest_of_part(pixels[part.start : part.stop]), rows, DECODERS)
    for i, digest in enumerate(digests):
        if digest != about.parts[i]:
            wrong.append(i)
        count(rows[i].stop, about.count)
    return wrong
