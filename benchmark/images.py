"""Labelled images: their pixels for the model, the original images, and digests of their content."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cl_bench.benchmark.augment import random_resized_crop

HASHED = 64  # images per part of a fingerprint
T = TypeVar("T")
ROOM = 4  # a GPU keeps a data set where this many would fit: training needs memory, too


def numbered(i: int) -> str:
    """What the i-th image is called where it has no file of its own."""
    return f"image {i + 1}"


@dataclass(frozen=True)
class Images:
    """Labelled images: resized and centre-cropped, and as they were before.

    Attributes:
        pixels: uint8 [N, C, H, H] with C = 1 or 3 channels; H is the backbone's side S, or less for
            images that are natively small. On a disk, in memory, or on the model's device.
        targets: int64 [N], indices into the task's class names, on the CPU.
        original: opens the i-th image uncropped, in RGB; for random crops.
        known_digest: SHA-256 of the pixels where it was computed before.
        digests: per image, SHA-256 of its file's bytes or of its native pixels, where known.
        called: what the i-th image is called, for people.
        left_out: files that could not be read and are missing here, as the user asked.
        rows: which images of the data set these are, int64 [N]; ``None``: all.
    """

    pixels: Tensor
    targets: Tensor
    original: Callable[[int], Image.Image] | None = None
    known_digest: str | None = None
    digests: Sequence[str] = ()
    called: Callable[[int], str] = numbered
    left_out: tuple[str, ...] = ()
    rows: Tensor | None = None

    def __len__(self) -> int:
        """The number of images N."""
        return len(self.targets)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over targets and pixels: equal exactly where the data is."""
        sha = hashlib.sha256(self.targets.numpy().tobytes())
        sha.update((self.known_digest or digest_of_pixels(self.pixels.numpy())).encode())
        return sha.hexdigest()

    def take(self, rows: Tensor) -> Tensor:
        """The pixels of some images, uint8 [B, C, H, H], on the device where they are kept."""
        if self.pixels.is_cuda:
            return self.pixels[rows.to(self.pixels.device)]
        # numpy: one thread; torch's would start a team of threads in every thread that asks
        return torch.from_numpy(self.pixels.numpy()[rows.numpy()])

    def subset(self, rows: Tensor) -> Images:
        """Some of the images, int64 ``rows`` [n], in memory."""
        digests = self.digests
        return Images(
            self.take(rows),
            self.targets[rows],
            original=self.original and partial(_at, self.original, rows),
            digests=digests and [digests[i] for i in rows.tolist()],
            called=partial(_at, self.called, rows),
            left_out=self.left_out,
            rows=rows,
        )

    def to(self, device: torch.device) -> Images:
        """The same images, on a GPU where its free memory holds them four times over."""
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else 0
        if self.pixels.numel() * ROOM > free:
            return self
        return replace(self, pixels=self.pixels.to(device))

    def crop(self, rows: Tensor, seeds: Tensor, size: int) -> Tensor:
        """A random resized crop of some images, uint8 [B, 3, S, S]; int64 ``seeds`` [B] decide."""
        cropped = [
            np.asarray(random_resized_crop(self._uncropped(row), size, seed))
            for row, seed in zip(rows.tolist(), seeds.tolist(), strict=True)
        ]
        return torch.from_numpy(np.ascontiguousarray(np.stack(cropped).transpose(0, 3, 1, 2)))

    def _uncropped(self, row: int) -> Image.Image:
        if self.original is not None:
            return self.original(row)
        pixels = self.pixels[row].permute(1, 2, 0)  # drawn square: nothing was cropped off
        return Image.fromarray(pixels.expand(-1, -1, 3).numpy())


def _at(of_all: Callable[[int], T], rows: Tensor, i: int) -> T:
    """What ``of_all`` says of the i-th of the chosen ``rows``."""
    return of_all(int(rows[i]))


def digest_of_pixels(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 over the digests of parts of ``HASHED`` images: parts can be hashed as they are made."""
    parts = [digest_of_part(pixels[i : i + HASHED]) for i in range(0, len(pixels), HASHED)]
    return digest_of_parts(parts)


def digest_of_part(pixels: NDArray[np.uint8]) -> str:
    """SHA-256 of up to ``HASHED`` images."""
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def digest_of_parts(parts: Sequence[str]) -> str:
    """SHA-256 of all images, from the digests of their parts."""
    return hashlib.sha256("".join(parts).encode()).hexdigest()
