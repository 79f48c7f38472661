"""Where pre-processed images come from: decoded into memory, or kept in a cache folder."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import PIL.Image
import torch
from numpy.typing import NDArray

from cl_bench.benchmark.images import Images, digest_of_part, digest_of_parts
from cl_bench.benchmark.prefetch import prefetch
from cl_bench.datasets.images.cache import open_cached
from cl_bench.datasets.images.content import digests_of_pixels
from cl_bench.datasets.images.decode import open_original
from cl_bench.datasets.images.image_files import DECODERS, Decoded, ImageFiles
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.progress import ProgressCallback, silent


@dataclass(frozen=True)
class Store:
    """Where pre-processed images come from.

    Attributes:
        folder: of the cache; without one, images are decoded into memory.
        broken: ``skip`` leaves files out that cannot be read, ``stop`` raises.
        on_progress: hears of the progress.
    """

    folder: Path | None = None
    broken: Literal["stop", "skip"] = "stop"
    on_progress: ProgressCallback = silent

    def images(self, name: str, listing: Listing, size: int, native: int | None = None) -> Images:
        """The listed images, from the cache where they are in it, else decoded (and cached).

        Args:
            name: of data set and split, for people.
            listing: which images.
            size: side S of the backbone's input.
            native: side of images that are all small and square; they are kept so.

        Raises:
            UserError: an image cannot be read, or the disk is full; names the file.
        """
        if isinstance(listing.images, np.ndarray):
            return _of_arrays(listing.images, listing.targets)
        files = self.files(name, listing.images, size, native)
        decoded = open_cached(files, self.folder) if self.folder else _in_memory(files)
        kept = np.setdiff1d(np.arange(len(files.paths)), decoded.left_out)
        return Images(
            torch.from_numpy(decoded.pixels),
            torch.from_numpy(listing.targets[kept]),
            original=functools.partial(_open, files.paths, kept),
            known_digest=digest_of_parts(decoded.parts),
            digests=[files.contents[i] for i in kept] if decoded.left_out else files.contents,
            called=functools.partial(_called, files.paths, kept),
            left_out=tuple(str(files.paths[i]) for i in decoded.left_out),
        )

    def files(
        self, name: str, paths: Sequence[Path], size: int, native: int | None = None
    ) -> ImageFiles:
        """Image files and what is to be made of them; arguments as of ``images``."""
        small = native is not None and native < size
        side = native if native is not None and small else size
        return ImageFiles(name, tuple(paths), side, small, self.broken, self.on_progress)


def _of_arrays(pixels: NDArray[np.uint8], targets: NDArray[np.int64]) -> Images:
    """Images that are pixels already: [N, H, W] or [N, H, W, 3] to [N, C, H, W]."""
    planes = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return Images(
        torch.from_numpy(np.ascontiguousarray(planes)),
        torch.from_numpy(targets),
        digests=tuple(digests_of_pixels(pixels)),
    )


def _open(paths: Sequence[Path], kept: NDArray[np.int64], row: int) -> PIL.Image.Image:
    return open_original(paths[kept[row]])


def _called(paths: Sequence[Path], kept: NDArray[np.int64], row: int) -> str:
    return str(paths[kept[row]])


def _in_memory(files: ImageFiles) -> Decoded:
    kept: list[NDArray[np.uint8]] = []
    digests, broken, count = [], [], files.counting("decoding")
    for part, missing in prefetch(files.decode, files.parts(), DECODERS):
        kept.append(part)
        digests.append(digest_of_part(part))
        broken += missing
        count(sum(map(len, kept)) + len(broken), len(files.paths))
    return Decoded(np.concatenate(kept), digests, broken)
