"""Get one file of a data set from the first of its sources that gives it unchanged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pooch

from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.datasets.mtil.archives import Archive, Source

Say = Callable[[str], None]


def fetch(part: Archive, folder: Path, say: Say) -> tuple[Archive, Path]:
    """Try every source of every packing in turn.

    A file in ``folder`` with the name and the checksum of a packing is taken as it is.

    Args:
        part: the file.
        folder: where downloads are kept.
        say: hears of every source that fails, in one line.

    Returns:
        The packing that was got, and its file.

    Raises:
        UserError: all sources failed; names each with its reason.
    """
    failed = []
    for packing in part.packings():
        file = folder / packing.file
        if not file.is_file():
            continue
        if not (fault := wrong_checksum(packing, file)):
            return packing, file
        failed.append(fault)
        say(fault)
    for packing, source in part.addresses():
        try:
            return packing, _retrieve(packing, source, folder)
        except Exception as error:  # requests, sockets and pooch itself raise kinds of their own
            failed.append(f"{source.url}: {in_one_line(error)}")
            say(f"cannot fetch {failed[-1]}")
    raise UserError(f"cannot fetch {part.file}: {'; '.join(failed) or 'no address is known'}")


def wrong_checksum(packing: Archive, file: Path) -> str | None:
    """In one line, that a file is not the published one; ``None`` where it is.

    Raises:
        UserError: the file cannot be read.
    """
    kind, digits = packing.checksum()
    found = digest(file, kind)
    return None if found == digits else not_used(packing, file, found)


def not_used(packing: Archive, file: Path, found: str) -> str:
    """That a file with the checksum ``found`` is not the published one, in one line."""
    kind, digits = packing.checksum()
    called = {"md5": "MD5", "sha256": "SHA-256"}[kind]
    return f"{file} is not used: its {called} is {found}, that of {packing.file} is {digits}"


def digest(file: Path, kind: str) -> str:
    """A checksum of a file.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return str(pooch.file_hash(str(file), alg=kind))
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from error


def _retrieve(packing: Archive, source: Source, folder: Path) -> Path:
    known = ":".join(packing.checksum())
    return Path(pooch.retrieve(source.url, known, packing.file, folder, progressbar=True))
