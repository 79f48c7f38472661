"""Unpack one archive, so that nothing lands outside of its folder."""

from __future__ import annotations

import errno
import gzip
import shutil
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.datasets.mtil.archives import Archive


def unpack_part(packing: Archive, file: Path, staging: Path) -> None:
    """Unpack a file of a data set to where its layout has it.

    Raises:
        UserError: as ``unpack``.
    """
    target = staging / packing.into
    unpack(file, target)
    if packing.inner:
        unpack(target / packing.inner, target)
        shutil.rmtree(target / PurePosixPath(packing.inner).parts[0])


def unpack(file: Path, target: Path) -> None:
    """Unpack an archive, or copy a plain file.

    Raises:
        UserError: the archive is damaged, a path in it leads out of ``target``, or the disk is full.
    """
    target.mkdir(parents=True, exist_ok=True)
    check_space(file.stat().st_size, target)
    try:
        if zipfile.is_zipfile(file):
            with zipfile.ZipFile(file) as zipped:
                _must_stay_below(zipped, file)
                zipped.extractall(target)  # a link in it becomes a plain file
        elif tarfile.is_tarfile(file):
            with tarfile.open(file) as tarred:
                tarred.extractall(target, filter="data")
        elif file.suffix == ".gz":
            with gzip.open(file) as zipped_one, (target / file.stem).open("wb") as out:
                shutil.copyfileobj(zipped_one, out)
        else:
            shutil.copy(file, target)
    except tarfile.FilterError as error:
        raise UserError(f"{file} holds a path that leads out of its folder: {error}") from error
    except UserError:
        raise
    except Exception as error:  # damaged archives raise a dozen kinds
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise UserError(f"{target}: no room to unpack {file}; make room there") from error
        raise UserError(f"{file} cannot be unpacked: {in_one_line(error)}") from error


def check_space(needed: int, folder: Path) -> None:
    """Make sure that so many bytes fit below ``folder``.

    Raises:
        UserError: they do not.
    """
    if needed > (free := shutil.disk_usage(folder).free):
        raise UserError(
            f"{folder} has {free / 2**30:.1f} GiB free, but {needed / 2**30:.1f} GiB are needed; "
            "make room there"
        )


def _must_stay_below(zipped: zipfile.ZipFile, file: Path) -> None:
    """Raise where a path in it leads out of its folder, written in whichever way."""
    for name in zipped.namelist():
        if name.startswith("/") or ".." in name.replace("\\", "/").split("/"):
            raise UserError(f"{file} holds {name!r}, which leads out of its folder")
