"""Pre-processed images: in memory, or in one memory-mapped file per data set and split.

A cache file holds the images' bytes one after another; the JSON file beside it says what they are.
It grows at its end only, is called ``*.partial`` until it is whole, and continues where it stopped.
Its name holds a digest of the files' names and sizes, the transform and Pillow's version: another
version never takes it for its own.
"""

from __future__ import annotations

import functools
import hashlib
import math
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
import PIL
import torch
from filelock import FileLock
from numpy.typing import NDArray

from cl_bench.benchmark.ahead import ahead
from cl_bench.benchmark.config import digest_of
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.images import HASHED, Images, digest_of_part, digest_of_parts
from cl_bench.benchmark.record import read_json, write_json
from cl_bench.datasets.decode import TRANSFORM, BrokenImageError, decode, open_whole
from cl_bench.datasets.listing import Listing

FORMAT = 1  # of the two files
DECODERS = min(os.cpu_count() or 1, 32)  # threads; Pillow decodes and resizes outside the GIL
SAVED_EVERY = 16  # parts between two notes of how far a cache has come
Tell = Callable[[str, int, int], None]  # name, images done, images in all


def silent(name: str, done: int, total: int) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Store:
    """Where pre-processed images come from.

    Attributes:
        folder: of the cache; without one, images are decoded into memory.
        broken: ``skip`` leaves files out that cannot be read, ``stop`` raises.
        tell: hears of the progress.
    """

    folder: Path | None = None
    broken: Literal["stop", "skip"] = "stop"
    tell: Tell = silent

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
        files = self._files(name, listing.images, size, native)
        pixels, parts, broken = (
            _cached(files, self.folder, self.tell) if self.folder else _in_memory(files, self.tell)
        )
        kept = np.setdiff1d(np.arange(len(files.paths)), broken)
        return Images(
            torch.from_numpy(pixels),
            torch.from_numpy(listing.targets[kept]),
            whole=functools.partial(_open, files.paths, kept),
            known_digest=digest_of_parts(parts),
            left_out=tuple(str(files.paths[i]) for i in broken),
        )

    def sidecar(self, name: str, listing: Listing, size: int, native: int | None) -> Path | None:
        """The file that exists once the listed images are cached; ``None`` where they need not be."""
        if self.folder is None or isinstance(listing.images, np.ndarray):
            return None
        return self._files(name, listing.images, size, native).sidecar(self.folder)

    def _files(self, name: str, paths: Sequence[Path], size: int, native: int | None) -> _Files:
        small = native is not None and native < size
        return _Files(name, tuple(paths), native if small else size, small, self.broken)  # type: ignore[arg-type]


def of_other_versions(folder: Path) -> list[str]:
    """What a cache folder holds that this version does not use, in words."""
    words = []
    for sidecar in sorted(folder.glob("*.json")):
        about = read_json(sidecar)
        made = (about.get("format"), about.get("pillow"))
        if made != (FORMAT, PIL.__version__):
            pixels = sidecar.with_suffix(".pixels")
            words.append(
                f"{pixels} was made in format {made[0]} with Pillow {made[1]}, this is format {FORMAT} "
                f"with Pillow {PIL.__version__}: it is not used; delete it and {sidecar.name}"
            )
    return words


def _of_arrays(pixels: NDArray[np.uint8], targets: NDArray[np.int64]) -> Images:
    """Images that are pixels already: [N, H, W] or [N, H, W, 3] to [N, C, H, W]."""
    planes = pixels[:, None] if pixels.ndim == 3 else pixels.transpose(0, 3, 1, 2)
    return Images(torch.from_numpy(np.ascontiguousarray(planes)), torch.from_numpy(targets))


def _open(paths: Sequence[Path], kept: NDArray[np.int64], row: int) -> PIL.Image.Image:
    return open_whole(paths[kept[row]])


Decoded = tuple[NDArray[np.uint8], list[str], list[int]]  # pixels, digests of parts, broken files


@dataclass(frozen=True)
class _Files:
    """Image files and what is to be made of them."""

    name: str
    paths: tuple[Path, ...]
    size: int
    square: bool
    broken: Literal["stop", "skip"]

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

    @property
    def shape(self) -> tuple[int, int, int]:
        return (3, self.size, self.size)

    def parts(self, done: int) -> list[range]:
        """The files from number ``done`` on, some at a time."""
        starts = range(done, len(self.paths), HASHED)
        return [range(i, min(i + HASHED, len(self.paths))) for i in starts]

    @functools.cached_property
    def content(self) -> dict[str, Any]:
        """What a cache of these files depends on."""
        names = [str(path) for path in self.paths]  # strings: MTIL has hundreds of thousands
        try:
            sizes = [os.stat(name).st_size for name in names]
        except OSError as error:
            raise UserError(f"{error.filename} cannot be read: {error.strerror}") from error
        ends = [os.path.dirname(name) for name in (min(names), max(names))]
        below = len(os.path.commonpath(ends))  # of all: whatever lies between shares it
        entries = zip(names, sizes, strict=True)
        text = "".join(f"{name[below:]}\0{size}\n" for name, size in entries)
        return {
            "format": FORMAT,
            "files": hashlib.sha256(text.encode()).hexdigest(),
            "transform": "as they are" if self.square else TRANSFORM.format(size=self.size),
            "pillow": PIL.__version__,
            "broken": self.broken,
        }

    def sidecar(self, folder: Path) -> Path:
        """The JSON file of the whole cache."""
        return folder / f"{self.name}-{self.size}-{digest_of(self.content)}.json"


def _in_memory(files: _Files, tell: Tell) -> Decoded:
    kept, digests, broken = [], [], []
    for part, missing in ahead(files.decode, files.parts(0), DECODERS):
        kept.append(part)
        digests.append(digest_of_part(part))
        broken += missing
        tell(files.name, sum(map(len, kept)) + len(broken), len(files.paths))
    return np.concatenate(kept), digests, broken


def _cached(files: _Files, folder: Path, tell: Tell) -> Decoded:
    sidecar = files.sidecar(folder)
    if not sidecar.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(sidecar.with_suffix(".lock")):  # another process may be making it
            if not sidecar.exists():
                _make(files, sidecar, tell)
    about = read_json(sidecar)
    path, shape = sidecar.with_suffix(".pixels"), (about["count"], *files.shape)
    if not path.is_file() or path.stat().st_size != math.prod(shape):
        raise UserError(f"the cache {path} is damaged; delete it and {sidecar.name}, and run again")
    # copy on write: torch wants writable memory, and nothing ever writes to it
    pixels = np.memmap(path, np.uint8, mode="c", shape=shape)
    return pixels, about["parts"], about["left_out"]


def _make(files: _Files, sidecar: Path, tell: Tell) -> None:
    """Decode into ``*.partial``, from where an earlier process stopped, and name it when whole."""
    partial, progress = sidecar.with_suffix(".partial"), sidecar.with_suffix(".progress")
    state: dict[str, Any] = {"done": 0, "count": 0, "parts": [], "left_out": []}
    if partial.exists() and progress.exists():
        state = read_json(progress)
    bytes_each, total = math.prod(files.shape), len(files.paths)
    needed = (total - state["done"]) * bytes_each
    if needed > (free := shutil.disk_usage(sidecar.parent).free):
        raise UserError(
            f"the cache of {files.name} needs {needed / 2**30:.1f} GiB in {sidecar.parent}, which has "
            f"{free / 2**30:.1f} GiB left; free space, or keep the cache elsewhere with --cache DIR"
        )
    with partial.open("r+b" if state["done"] else "wb") as out:
        out.truncate(state["count"] * bytes_each)
        out.seek(0, os.SEEK_END)
        decoded = ahead(files.decode, files.parts(state["done"]), DECODERS)
        for i, (part, broken) in enumerate(decoded, start=1):
            _append(out, part, files, sidecar.parent)
            state["done"] += len(part) + len(broken)
            state["count"] += len(part)
            state["parts"].append(digest_of_part(part))
            state["left_out"] += broken
            if i % SAVED_EVERY == 0:
                os.fsync(out.fileno())
                write_json(progress, state)
            if state["done"] < total:  # the end is told once the file has its name
                tell(files.name, state["done"], total)
        os.fsync(out.fileno())
    partial.replace(sidecar.with_suffix(".pixels"))
    write_json(sidecar, {"name": files.name, **files.content, **state})
    progress.unlink(missing_ok=True)
    tell(files.name, total, total)


def _append(out: BinaryIO, part: NDArray[np.uint8], files: _Files, folder: Path) -> None:
    try:
        out.write(part.data)
        out.flush()
    except OSError as error:
        raise UserError(
            f"cannot write the cache of {files.name} in {folder}: {error.strerror}. What is there "
            "stays; run again to continue, or keep the cache elsewhere with --cache DIR"
        ) from error
