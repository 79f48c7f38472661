"""What files hold: one SHA-256 per file, computed once and remembered. No torch.

SHA-256, as ``sha256sum`` prints it, runs at 1.0 GB/s a core here, as fast as BLAKE2b (0.9 GB/s) and
faster than disks deliver. xxHash (13 GB/s) would save little, and two files can be made to share it.
"""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.prefetch import prefetch
from cl_bench.datasets.images.remembered import Entries, recall, remember, settled_stamp, stamp
from cl_bench.datasets.progress import ProgressCallback, silent

READERS = min(2 * (os.cpu_count() or 1), 32)  # threads; hashing and reading release the GIL
PART = 32  # files per call of a thread
KEPT_EVERY = 4096  # files of one folder between two notes of their digests


class _Hashed(NamedTuple):
    file: str
    stamp: (
        str | None
    )  # none where the file changed so recently that a later change could look the same
    digest: str


def digests_of(
    paths: Sequence[Path], on_progress: ProgressCallback = silent, stand_in: str | None = None
) -> tuple[str, ...]:
    """The SHA-256 of each file's bytes, in hexadecimal.

    A file is read once and remembered by size, times, device and inode (``remembered.py``). A file
    that changed less than two seconds before it was read is read again the next time.

    Args:
        paths: of the files.
        on_progress: hears of the files that must be read.
        stand_in: what a file that cannot be read gets in the place of a digest.

    Raises:
        UserError: one is missing, is no file or cannot be read, and ``stand_in`` is not given.
    """
    files = [os.fspath(path) for path in paths]
    folders: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        folder, _, name = file.rpartition(os.sep)  # MTIL has hundreds of thousands
        folders.setdefault(folder, []).append((name, file))
    known: dict[str, str] = {}
    for folder, named in folders.items():
        known |= _unchanged(folder, named)
    new = [file for named in folders.values() for _, file in named if file not in known]
    known |= read_anew(list(dict.fromkeys(new)), on_progress, stand_in)
    return tuple(known[file] for file in files)


def _unchanged(folder: str, named: list[tuple[str, str]]) -> dict[str, str]:
    """The digests of those files in ``folder`` that are as they were when they were read."""
    entries, digests = recall(folder or os.curdir), {}
    for name, file in named:
        before, digest = entries.get(name, ("", ""))
        try:
            now = stamp(os.stat(file))
        except OSError:
            continue  # it is named when it is read
        if before == now:
            digests[file] = digest
    return digests


def digests_of_pixels(pixels: NDArray[np.uint8]) -> Iterator[str]:
    """The SHA-256 of each image of uint8 [N, ...]."""
    return (hashlib.sha256(image.data).hexdigest() for image in np.ascontiguousarray(pixels))


def read_anew(
    files: Sequence[str], on_progress: ProgressCallback = silent, stand_in: str | None = None
) -> dict[str, str]:
    """Read files, remembered or not, and remember their digests; as ``digests_of`` otherwise.

    Args:
        files: those of a folder beside each other.
        on_progress: hears of the progress.
        stand_in: what a file that cannot be read gets in the place of a digest.
    """
    digests: dict[str, str] = {}
    hashed = prefetch(partial(_hash_all, stand_in=stand_in), _parts(files), READERS)
    for folder, results in groupby(hashed, lambda part: os.path.dirname(part[0].file)):
        entries: Entries = {}
        for part in results:
            digests |= {one.file: one.digest for one in part}
            entries |= {os.path.basename(o.file): [o.stamp, o.digest] for o in part if o.stamp}
            on_progress("reading files", len(digests), len(files))
            if len(entries) >= KEPT_EVERY:
                remember(folder, entries)
                entries = {}
        if entries:
            remember(folder, entries)
    return digests


def _parts(files: Sequence[str]) -> Iterator[list[str]]:
    """A few files of one folder at a time."""
    for _, group in groupby(files, os.path.dirname):
        together = list(group)
        yield from (together[i : i + PART] for i in range(0, len(together), PART))


def _hash_all(files: list[str], stand_in: str | None) -> list[_Hashed]:
    hashed = []
    for file in files:
        try:
            hashed.append(_hash(file))
        except UserError:
            if stand_in is None:
                raise
            hashed.append(_Hashed(file, None, stand_in))
    return hashed


def _hash(file: str) -> _Hashed:
    try:
        if not stat.S_ISREG(os.stat(file).st_mode):
            raise UserError(f"{file} is no file")  # opening a pipe would wait for ever
        with open(file, "rb") as opened:
            about, now = os.fstat(opened.fileno()), time.time_ns()
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error
    return _Hashed(file, settled_stamp(about, now), digest)
