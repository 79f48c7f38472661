"""Arrays of numbers in a compressed file: no pickle, and no more memory than a run needs. No torch."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.files import write_atomically

MOST_BYTES = 2**28  # of one file unpacked: 256 MiB; MTIL's predictions after a task have 0.4
MOST_ARRAYS = 10_000


def write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name, atomically."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, array in arrays.items():  # numpy's own function has no room for the name "file"
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)
    write_atomically(path, buffer.getvalue())


def read_arrays(path: Path, kinds: str = "iu") -> dict[str, NDArray[Any]]:
    """Read arrays by name: of whole numbers, unless ``kinds`` names numpy's letters of others.

    Raises:
        UserError: the file is missing, damaged, unpacks to too much, or holds something else.
    """
    try:
        with path.open("rb") as file:
            _must_be_small(file)
            with zipfile.ZipFile(file) as archive:
                arrays = {
                    member.filename.removesuffix(".npy"): _read(archive, member)
                    for member in archive.infolist()
                }
        if odd := [name for name, array in arrays.items() if array.dtype.kind not in kinds]:
            raise ValueError(f"{odd[0]!r} holds no {'whole ' if kinds == 'iu' else ''}numbers")
        return arrays
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except Exception as error:  # damaged archives raise a dozen kinds
        raise UserError(f"{path} is damaged: {error}") from error


def _read(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """One array; by numpy's function for archives, the name ``a.npy`` may stand for the array ``a``."""
    with archive.open(member) as file:
        array: NDArray[Any] = np.lib.format.read_array(file, allow_pickle=False)
        if file.read(1):
            raise ValueError(f"{member.filename} goes on behind its array")
    return array


def _must_be_small(file: io.BufferedReader) -> None:
    """Raise where the archive unpacks to more than a run holds; a reader stops at these sizes."""
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
    if len(members) > MOST_ARRAYS or sum(m.file_size for m in members) > MOST_BYTES:
        raise ValueError(f"it unpacks to more than {MOST_ARRAYS:,} arrays or {MOST_BYTES:,} bytes")
    file.seek(0)
