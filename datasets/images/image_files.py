"""Image files of one split and what is to be made of them: pixels of one size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import PIL
from numpy.typing import NDArray

from cl_bench.benchmark.config import digest_of
from cl_bench.benchmark.images import HASHED
from cl_bench.datasets.images.content import digests_of
from cl_bench.datasets.images.decode import TRANSFORM, BrokenImageError, decode
from cl_bench.datasets.progress import Count, ProgressCallback

FORMAT = 2  # of a cache's files, and of the rules by which pixels are made
DECODERS = min(os.cpu_count() or 1, 32)  # threads; Pillow decodes and resizes outside the GIL


class Decoded(NamedTuple):
    """Pixels of the files that could be read, in order.

    Attributes:
        pixels: uint8 [n, 3, S, S], in memory or mapped to a file.
        parts: the digests of the pixels of every ``HASHED`` files.
        left_out: the other files, as indices.
    """

    pixels: NDArray[np.uint8]
    parts: Sequence[str]
    left_out: Sequence[int]


@dataclass(frozen=True)
class ImageFiles:
    """Files in order, and how they are decoded.

    Attributes:
        name: of data set and split, for people.
        paths: of N files.
        size: side S of what they become.
        square: they are S x S as they are and must be.
        broken: ``skip`` leaves files out that cannot be read, ``stop`` raises.
        on_progress: hears of the progress.
    """

    name: str
    paths: tuple[Path, ...]
    size: int
    square: bool
    broken: Literal["stop", "skip"]
    on_progress: ProgressCallback

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image's pixels."""
        return (3, self.size, self.size)

    def decode(self, part: range) -> tuple[NDArray[np.uint8], list[int]]:
        """Decode some of the files: uint8 [n, 3, S, S] and the indices of those left out."""
        pixels, broken = [], []
        for i in part:
            try:
                pixels.append(decode(self.paths[i], self.size, native=self.square))
            except BrokenImageError:
                if self.broken == "stop":
                    raise
                broken.append(i)
        return np.array(pixels, dtype=np.uint8).reshape(-1, *self.shape), broken

    def parts(self, done: int = 0) -> list[range]:
        """The files from number ``done`` on, some at a time."""
        starts = range(done, len(self.paths), HASHED)
        return [range(i, min(i + HASHED, len(self.paths))) for i in starts]

    def read(self) -> tuple[str, ...]:
        """The digest of each file's bytes as they are now (``content.py``)."""
        stand_in = "it cannot be read" if self.broken == "skip" else None
        count = self.counting("reading")
        return digests_of(self.paths, lambda _, done, total: count(done, total), stand_in)

    @cached_property
    def contents(self) -> tuple[str, ...]:
        """The digest of each file's bytes when they were first asked for."""
        return self.read()

    @cached_property
    def recipe(self) -> dict[str, str | int]:
        """Everything the pixels depend on: what the files hold, in order. Their names do not matter."""
        return {
            "format": FORMAT,
            "files": hashlib.sha256("\n".join(self.contents).encode()).hexdigest(),
            "transform": "as they are" if self.square else TRANSFORM.format(size=self.size),
            "pillow": PIL.__version__,
            "broken": self.broken,
        }

    def sidecar(self, folder: Path) -> Path:
        """The JSON file of the whole cache."""
        return folder / f"{self.name}-{self.size}-{digest_of(self.recipe)}.json"

    def counting(self, work: str) -> Count:
        """What hears of the progress of ``work`` on these files."""
        return partial(self.on_progress, f"{work} {self.name}")
