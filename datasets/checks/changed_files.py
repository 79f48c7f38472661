"""Files whose bytes changed although their size and their time of change are the same as before."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cl_bench.datasets.images.content import read_anew
from cl_bench.datasets.images.remembered import recall, stamp
from cl_bench.datasets.progress import ProgressCallback

SIZE_AND_TIME = slice(2)  # of a stamp


def changed_files(paths: Sequence[Path], on_progress: ProgressCallback) -> list[str]:
    """Files that hold other bytes than when they were read before, in words.

    All are read, and what they hold now is remembered. Files that cannot be read are passed over.
    """
    files = sorted(map(os.fspath, paths))
    before = {
        os.path.join(folder, name): entry
        for folder in {os.path.dirname(file) for file in files}
        for name, entry in recall(folder).items()
    }
    now = read_anew(files, on_progress, stand_in="")
    return [
        f"{file} holds other bytes than before, though its size and time are the same; if you did "
        "not change it, fetch it again"
        for file, digest in now.items()
        if digest and file in before and _without_trace(file, digest, *before[file])
    ]


def _without_trace(file: str, digest: str, old_stamp: str, old_digest: str) -> bool:
    same = stamp(os.stat(file)).split()[SIZE_AND_TIME] == old_stamp.split()[SIZE_AND_TIME]
    return same and digest != old_digest
