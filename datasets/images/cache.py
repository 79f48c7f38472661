"""Decoded images in one memory-mapped file per data set and split.

A cache file holds the images' bytes one after another; the JSON file beside it (``sidecar.py``) says
what they are. It grows at its end only, is called ``*.partial`` until it is whole, and continues where
it stopped. Its name holds a digest of the files' contents, the transform and Pillow's version: another
version does not use it. Its bytes are checked unless this very file was checked before
(``cache_check.py``).
"""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.images import digest_of_part
from cl_bench.benchmark.prefetch import prefetch
from cl_bench.benchmark.record import read_json
from cl_bench.benchmark.records.lock import held
from cl_bench.datasets.images.cache_check import check_pixels, wrong_parts
from cl_bench.datasets.images.image_files import DECODERS, FORMAT, Decoded, ImageFiles
from cl_bench.datasets.images.sidecar import Sidecar, damaged, read_sidecar

SAVED_EVERY = 16  # parts between two notes of how far a cache has come


def open_cached(files: ImageFiles, folder: Path) -> Decoded:
    """The decoded files from their cache in ``folder``, which is made or finished first.

    Raises:
        UserError: an image cannot be read or changed meanwhile, the disk is full, or the cache is
            damaged; names the file.
    """
    sidecar, made_now = files.sidecar(folder), False
    if not sidecar.exists():
        with _writing(files, folder):
            folder.mkdir(parents=True, exist_ok=True)
            # another process may be making it
            with held(sidecar.with_suffix(".lock"), f"the cache of {files.name}", waits=True):
                if not sidecar.exists():
                    _make(files, sidecar)
                    made_now = True
    about, path = read_sidecar(sidecar), sidecar.with_suffix(".pixels")
    pixels = mapped(path, about)
    if pixels is None or about.recipe != files.recipe:
        raise damaged(sidecar)
    if not made_now:
        check_pixels(path, pixels, about, files.counting("checking the cache of"))
    return Decoded(pixels, about.parts, about.left_out)


def mapped(path: Path, about: Sidecar) -> NDArray[np.uint8] | None:
    """The pixels in a cache file, uint8 [n, 3, S, S]; ``None`` where it is not of its length.

    Copied on write: torch wants writable memory, and nothing ever writes to it.
    """
    shape = (about.count, 3, about.size, about.size)
    if not path.is_file() or path.stat().st_size != math.prod(shape):
        return None
    return (
        np.memmap(path, np.uint8, mode="c", shape=shape)
        if about.count
        else np.empty(shape, np.uint8)
    )


def of_other_versions(folder: Path) -> list[str]:
    """What a cache folder holds that this version does not use, in words."""
    words = []
    for sidecar in sorted(folder.glob("*.json")):
        try:
            about = read_json(sidecar)
        except UserError:
            words.append(str(damaged(sidecar)))
            continue
        recipe = about.get("recipe", about)  # of format 1
        made = (recipe.get("format"), recipe.get("pillow"))
        if made != (FORMAT, PIL.__version__):
            words.append(
                f"{sidecar.with_suffix('.pixels')} was made in format {made[0]} with Pillow {made[1]}, "
                f"this is format {FORMAT} with Pillow {PIL.__version__}: it is not used; delete it and "
                f"{sidecar.name}"
            )
    return words


def _make(files: ImageFiles, sidecar: Path) -> None:
    """Decode into ``*.partial``, from where an earlier process stopped, and name it when whole."""
    partial, progress = sidecar.with_suffix(".partial"), sidecar.with_suffix(".progress")
    about = _begun(files, partial, progress)
    _check_space(files, about, sidecar.parent)
    with partial.open("r+b" if about.done else "wb") as out:
        out.truncate(about.count * math.prod(files.shape))
        out.seek(0, os.SEEK_END)
        about = _decode_rest(files, about, out, progress)
    if files.read() != files.contents:
        partial.unlink()
        progress.unlink(missing_ok=True)
        raise UserError(f"images of {files.name} were changed while they were decoded; run again")
    partial.replace(sidecar.with_suffix(".pixels"))
    about.write(sidecar)
    progress.unlink(missing_ok=True)
    files.counting("decoding")(len(files.paths), len(files.paths))


def _begun(files: ImageFiles, partial: Path, progress: Path) -> Sidecar:
    """How far an earlier process came, if what it left is as it was left."""
    new = Sidecar(name=files.name, recipe=files.recipe, size=files.size)
    if not (partial.exists() and progress.exists()):
        return new
    try:
        about = read_sidecar(progress)
    except UserError:
        return new
    kept = about.count * math.prod(files.shape)
    if about.recipe != files.recipe or not about.count or partial.stat().st_size < kept:
        return new
    pixels = np.memmap(partial, np.uint8, mode="r", shape=(about.count, *files.shape))
    return new if wrong_parts(pixels, about, files.counting("checking the cache of")) else about


def _check_space(files: ImageFiles, about: Sidecar, folder: Path) -> None:
    needed = (len(files.paths) - about.done) * math.prod(files.shape)
    if needed > (free := shutil.disk_usage(folder).free):
        raise UserError(
            f"the cache of {files.name} needs {needed / 2**30:.1f} GiB in {folder}, which has "
            f"{free / 2**30:.1f} GiB left; free space, or keep the cache elsewhere with --cache DIR"
        )


def _decode_rest(files: ImageFiles, about: Sidecar, out: BinaryIO, progress: Path) -> Sidecar:
    """Append what is lacking, and note from time to time how far it is."""
    count, total = files.counting("decoding"), len(files.paths)
    decoded = prefetch(files.decode, files.parts(about.done), DECODERS)
    for i, (part, broken) in enumerate(decoded, start=1):
        _append(out, part)
        about = about.grown(digest_of_part(part), len(part) + len(broken), broken)
        if i % SAVED_EVERY == 0:
            os.fsync(out.fileno())
            about.write(progress)
        if about.done < total:  # the end is told once the file has its name
            count(about.done, total)
    os.fsync(out.fileno())
    return about


def _append(out: BinaryIO, part: NDArray[np.uint8]) -> None:
    out.write(part.data)
    out.flush()


@contextmanager
def _writing(files: ImageFiles, folder: Path) -> Iterator[None]:
    """Let whatever keeps a cache from being written say which, and what to do."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"cannot write the cache of {files.name} in {folder}: {error.strerror}. What is there "
            "stays; run again to continue, or keep the cache elsewhere with --cache DIR"
        ) from error
