"""Fetch the MTIL data sets: whole and checked, or not at all."""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import pooch
from pydantic import model_validator

from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.benchmark.user_file import read_toml
from cl_bench.datasets.mtil.layout import missing_files

ARCHIVES = Path(__file__).parent / "archives.toml"


class Archive(Settings):
    """A file to fetch and unpack, or words on how a person gets it."""

    url: str | None = None
    md5: str | None = None
    """Absent where its authors publish none."""
    into: str = ""
    inner: str | None = None
    by_hand: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Archive:
        if (self.url is None) == (self.by_hand is None):
            raise ValueError("give `url` or `by_hand`")
        return self


def archives(path: Path = ARCHIVES) -> dict[str, tuple[Archive, ...]]:
    """What each data set consists of."""
    return {
        name: tuple(Archive.model_validate(entry) for entry in entries)
        for name, entries in read_toml(path, "list of archives").items()
    }


def prepare(name: str, parts: Sequence[Archive], root: Path) -> None:
    """Fetch a data set, check it, unpack it beside its place, and move it there when it is whole.

    A process that is stopped leaves finished downloads in ``root/.downloads`` for the next one and
    nothing in the data set's place.

    Args:
        name: of the data set.
        parts: what to fetch.
        root: the data root.

    Raises:
        UserError: it must be fetched by hand, cannot be fetched, has another checksum, or holds a
            path that leads out of its folder.
    """
    if words := next((part.by_hand for part in parts if part.by_hand), None):
        raise UserError(f"{name} must be fetched by hand: {words}")
    staging = root / f".unpacking-{name}"
    shutil.rmtree(staging, ignore_errors=True)
    for part in parts:
        file, target = _fetch(part, root / ".downloads"), staging / part.into
        unpack(file, target)
        if part.inner:
            unpack(target / part.inner, target)
            shutil.rmtree(target / PurePosixPath(part.inner).parts[0])
    if lacking := missing_files(staging)[name]:
        raise UserError(f"{name} as fetched lacks {', '.join(lacking)}; it is left in {staging}")
    for item in sorted(staging.iterdir()):
        place = root / item.name
        if place.exists():
            raise UserError(f"{place} is there but not whole; remove it and prepare {name} again")
        item.rename(place)
    staging.rmdir()


def _fetch(part: Archive, folder: Path) -> Path:
    assert part.url is not None
    known = f"md5:{part.md5}" if part.md5 else None
    try:
        return Path(
            pooch.retrieve(part.url, known, part.url.rsplit("/", 1)[-1], folder, progressbar=True)
        )
    except Exception as error:  # requests, sockets and pooch itself raise kinds of their own
        raise UserError(
            f"cannot fetch {part.url}: {in_one_line(error)}. "
            f"Fetch it by other means into {folder} and run again"
        ) from error


def unpack(file: Path, target: Path) -> None:
    """Unpack an archive, or copy a plain file.

    Raises:
        UserError: the archive is damaged, or a path in it leads out of ``target``.
    """
    target.mkdir(parents=True, exist_ok=True)
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
        raise UserError(f"{file} cannot be unpacked: {in_one_line(error)}") from error


def _must_stay_below(zipped: zipfile.ZipFile, file: Path) -> None:
    """Raise where a path in it leads out of its folder, written in whichever way."""
    for name in zipped.namelist():
        if name.startswith("/") or ".." in name.replace("\\", "/").split("/"):
            raise UserError(f"{file} holds {name!r}, which leads out of its folder")
