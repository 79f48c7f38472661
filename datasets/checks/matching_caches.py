"""Find the caches that hold the pixels of given files, to compare the two."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images.cache import mapped
from cl_bench.datasets.images.decode import fitted
from cl_bench.datasets.images.image_files import ImageFiles
from cl_bench.datasets.images.sidecar import damaged, read_sidecar
from cl_bench.datasets.progress import ProgressCallback


@dataclass(frozen=True)
class MatchingCache:
    """Cached pixels of files.

    Attributes:
        path: of the cache file.
        files: how they were decoded.
        pixels: uint8 [n, 3, S, S].
        rows: per file, where its pixels are; -1 where it was left out.
    """

    path: Path
    files: ImageFiles
    pixels: NDArray[np.uint8]
    rows: NDArray[np.int64]

    def holds(self, i: int, image: Image.Image) -> bool:
        """Whether the pixels of file ``i`` are those of ``image``, the opened file."""
        row, files = self.rows[i], self.files
        if row < 0:
            return False  # it was left out, but can be read
        pixels = fitted(image, files.paths[i], files.size, native=files.square)
        return np.array_equal(pixels, self.pixels[row])


def matching_caches(
    name: str, paths: tuple[Path, ...], folder: Path, on_progress: ProgressCallback
) -> tuple[list[MatchingCache], list[str]]:
    """The caches of these files, and in words which caches called ``name`` are damaged."""
    caches, damages = [], []
    for sidecar in sorted(folder.glob(f"{name}-*.json")):
        try:
            if cache := _match(name, paths, sidecar, on_progress):
                caches.append(cache)
        except UserError as error:
            damages.append(str(error))
    return caches, damages


def _match(
    name: str, paths: tuple[Path, ...], sidecar: Path, on_progress: ProgressCallback
) -> MatchingCache | None:
    """The cache, if it is of these files and of this version."""
    about = read_sidecar(sidecar)
    square = about.recipe["transform"] == "as they are"
    broken: Literal["stop", "skip"] = "skip" if about.recipe["broken"] == "skip" else "stop"
    files = ImageFiles(name, paths, about.size, square, broken, on_progress)
    if files.recipe != about.recipe:
        return None
    pixels = mapped(sidecar.with_suffix(".pixels"), about)
    if pixels is None:
        raise damaged(sidecar)
    rows = np.full(len(paths), -1)
    rows[np.setdiff1d(np.arange(len(paths)), about.left_out)] = np.arange(about.count)
    return MatchingCache(sidecar.with_suffix(".pixels"), files, pixels, rows)
