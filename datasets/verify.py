"""Decode every listed image once, to find those that cannot be."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from cl_bench.benchmark.ahead import ahead
from cl_bench.datasets.decode import BrokenImageError, open_whole
from cl_bench.datasets.image_files import DECODERS
from cl_bench.datasets.listing import Listing
from cl_bench.datasets.tell import Tell

PART = 256  # images per call of a thread


def broken_images(name: str, listing: Listing, tell: Tell) -> list[str]:
    """What is wrong with which file, in words; native pixels cannot be broken.

    Args:
        name: of data set and split, for people.
        listing: which images.
        tell: hears of the progress.
    """
    if isinstance(listing.images, np.ndarray):
        return []
    paths, problems, done = listing.images, [], 0
    parts = [paths[i : i + PART] for i in range(0, len(paths), PART)]
    for part, found in zip(parts, ahead(_problems, parts, DECODERS), strict=True):
        problems += found
        done += len(part)
        tell(f"decoding {name}", done, len(paths))
    return problems


def _problems(paths: tuple[Path, ...]) -> list[str]:
    problems = []
    for path in paths:
        try:
            open_whole(path)
        except BrokenImageError as error:
            problems.append(str(error))
    return problems
