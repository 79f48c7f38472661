"""Read and decode every listed image once: what is broken, has changed, or is cached wrongly."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cl_bench.benchmark.prefetch import prefetch
from cl_bench.datasets.checks.changed_files import changed_files
from cl_bench.datasets.checks.matching_caches import MatchingCache, matching_caches
from cl_bench.datasets.images.decode import BrokenImageError, open_original
from cl_bench.datasets.images.image_files import DECODERS
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.progress import ProgressCallback

PART = 256  # images per call of a thread


class Problems(NamedTuple):
    """What is wrong, in words.

    Attributes:
        broken: images that cannot be read.
        changed: files whose bytes changed although their size and time did not.
        cached: caches that are damaged or hold other pixels than the files.
    """

    broken: list[str]
    changed: list[str]
    cached: list[str]


def verify_images(
    name: str, listing: Listing, cache: Path, on_progress: ProgressCallback
) -> Problems:
    """Look for problems; native pixels have no image files of their own.

    Args:
        name: of data set and split, as caches are called.
        listing: which images.
        cache: folder of cached pixels, there or not.
        on_progress: hears of the progress.
    """
    if isinstance(listing.images, np.ndarray):
        return Problems([], [], [])
    read = partial(on_progress, f"reading {name}")
    changed = changed_files(listing.images, lambda _, done, total: read(done, total))
    # after the files were read anew: caches are found by what these hold
    caches, damages = matching_caches(name, listing.images, cache, on_progress)
    broken, strange = _decode_all(name, listing.images, caches, on_progress)
    return Problems(broken, changed, [*damages, *strange])


def broken_images(name: str, listing: Listing, on_progress: ProgressCallback) -> list[str]:
    """Which listed images cannot be decoded, in words; native pixels cannot be broken."""
    if isinstance(listing.images, np.ndarray):
        return []
    return _decode_all(name, listing.images, (), on_progress)[0]


def _decode_all(
    name: str,
    paths: tuple[Path, ...],
    caches: Sequence[MatchingCache],
    on_progress: ProgressCallback,
) -> tuple[list[str], list[str]]:
    """Files that cannot be read, and caches whose pixels are not those of the files."""
    broken: list[str] = []
    strange: dict[Path, list[Path]] = defaultdict(list)
    parts = [range(i, min(i + PART, len(paths))) for i in range(0, len(paths), PART)]
    compare = partial(_compare, paths=paths, caches=caches)
    for part, found in zip(parts, prefetch(compare, parts, DECODERS), strict=True):
        broken += [problem for problem in found if isinstance(problem, str)]
        for cache, file in (problem for problem in found if not isinstance(problem, str)):
            strange[cache].append(file)
        on_progress(f"decoding {name}", part.stop, len(paths))
    return broken, [
        f"{cache}: the pixels of {len(files):,} images do not follow from their files, the first "
        f"{files[0]}; delete it and {cache.with_suffix('.json').name}, and run again"
        for cache, files in strange.items()
    ]


def _compare(
    part: range, paths: tuple[Path, ...], caches: Sequence[MatchingCache]
) -> list[str | tuple[Path, Path]]:
    return [problem for i in part for problem in _problems(i, paths[i], caches)]


def _problems(
    i: int, path: Path, caches: Sequence[MatchingCache]
) -> Iterator[str | tuple[Path, Path]]:
    """Why a file is broken, in words; or which caches hold other pixels of it."""
    try:
        image = open_original(path)
        yield from ((cache.path, path) for cache in caches if not cache.holds(i, image))
    except BrokenImageError as error:
        yield str(error)
