"""The ledger of a finished run: SHA-256 and size of every file, written last. No torch.

It tells damage, not forgery: who can rewrite every file of a run can rewrite its ledger.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError

from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.files import json_bytes, read_bounded, sha256_of, write_atomically
from cl_bench.benchmark.records.versions import must_be_known

NAME = "ledger.json"
VERSION: Literal[1] = 1
CHECKPOINTS = "checkpoints/"
PICTURES = frozenset({".png", ".svg", ".pdf"})  # of the run's top folder; they may be drawn anew
DASHBOARDS = "wandb"  # the folder where W&B keeps what it has not sent
MOST_FILES = 10_000


class Entry(Settings):
    """A file of the run."""

    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


class Ledger(Settings):
    """``ledger.json``."""

    version: Literal[1] = VERSION
    files: dict[str, Entry]
    """Path below the run's directory, with ``/`` -> what the file is."""

    def text(self) -> bytes:
        """The one form in which a ledger is written."""
        files = {name: self.files[name].model_dump() for name in sorted(self.files)}
        return json_bytes({"version": self.version, "files": files})


def write_ledger(run: Path) -> None:
    """Write the ledger of what the run's directory holds."""
    entries = {
        name: Entry(sha256=sha256_of(run / name), bytes=size)
        for name, size in files_of(run).items()
    }
    write_atomically(run / NAME, Ledger(files=entries).text())


def read_ledger(run: Path) -> Ledger:
    """Read the ledger of a run.

    Raises:
        UserError: it is missing or damaged, be it by a single bit.
    """
    file = run / NAME
    try:
        content = read_bounded(file)
        must_be_known(file, _version(content), VERSION)
        ledger = Ledger.model_validate_json(content, strict=True)
    except FileNotFoundError as error:
        raise UserError(f"{file} is missing") from error
    except ValidationError as error:
        raise UserError(f"{file} is damaged: {error.errors()[0]['msg']}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{file} is damaged: {error}") from error
    if ledger.text() != content:
        raise UserError(f"{file} is damaged: it is not in the form in which ledgers are written")
    return ledger


def _version(content: bytes) -> object:
    """What a ledger says of its version, whatever else is in it."""
    said = json.loads(content)
    return said.get("version") if isinstance(said, dict) else None


def differences(run: Path, *, checkpoints: bool) -> list[str]:
    """What in the run's directory is not as its ledger says, in words.

    Args:
        run: its directory.
        checkpoints: hash the checkpoints, too, which may take a second per gigabyte; else their
            sizes are compared.

    Raises:
        UserError: the ledger is missing or damaged, or the directory holds a link.
    """
    listed, there = read_ledger(run).files, files_of(run)
    words = [
        f"{run / name} is missing, though {NAME} lists it" for name in listed if name not in there
    ]
    words += [f"{run / name} is not in {NAME}" for name in there if name not in listed]
    for name, entry in listed.items():
        hashed = checkpoints or not name.startswith(CHECKPOINTS)
        if name not in there:
            continue
        if there[name] != entry.bytes:
            words.append(
                f"{run / name} is damaged: it has {there[name]:,} bytes, by {NAME} {entry.bytes:,}"
            )
        elif hashed and sha256_of(run / name) != entry.sha256:
            words.append(
                f"{run / name} is damaged: its SHA-256 is not the one in {NAME} "
                "(one of the two was changed)"
            )
    return words


def files_of(run: Path) -> dict[str, int]:
    """The files that make up a run, by their path below it, with their sizes in bytes.

    Hidden files (locks, parts of files), pictures and a dashboard's own folder are none of them,
    nor is the ledger itself.

    Raises:
        UserError: something is a link or no plain file, or there are too many; names it.
    """
    sizes: dict[str, int] = {}
    folders = [run]
    for folder in folders:  # grows as folders are found
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                _must_be_plain(entry)
                name = Path(entry.path).relative_to(run).as_posix()
                if entry.name.startswith(".") or name in (NAME, DASHBOARDS):
                    continue
                if entry.is_dir():
                    folders.append(Path(entry.path))
                elif "/" in name or Path(name).suffix not in PICTURES:
                    with suppress(FileNotFoundError):  # an unfinished run drops old checkpoints
                        sizes[name] = entry.stat().st_size
        if len(sizes) + len(folders) > MOST_FILES:
            raise UserError(f"{run} holds more than {MOST_FILES:,} files: it is no run")
    return sizes


def _must_be_plain(entry: os.DirEntry[str]) -> None:
    """Raise where an entry leads elsewhere, or reading it could wait for ever."""
    if entry.is_symlink():
        raise UserError(
            f"{entry.path} is a link to {os.readlink(entry.path)}: all files of a run must lie in "
            "its own folder"
        )
    if not (entry.is_file() or entry.is_dir()):
        raise UserError(f"{entry.path} is neither a file nor a folder")
