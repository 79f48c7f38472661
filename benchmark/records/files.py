"""Files on disk: replaced whole or not at all, hashed, and never read beyond a bound. No torch."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cl_bench.benchmark.errors import UserError

MOST_BYTES = 2**26  # of a file that is read as text: 64 MiB; a log of a million steps has 20


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``: a kill at any moment leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with naming(path), partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:  # a full disk is not filled further
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Let an error of the block name the file: a failed write, flush or fsync does not know it."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def read_bounded(path: Path) -> bytes:
    """The bytes of a file of moderate size.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than ``MOST_BYTES``.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    return content


def json_bytes(value: Any) -> bytes:
    """Readable JSON as ``write_json`` writes it."""
    return (json.dumps(value, indent=2) + "\n").encode()


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON atomically."""
    write_atomically(path, json_bytes(value))


def read_json(path: Path) -> dict[str, Any]:
    """Read a table in JSON.

    Raises:
        UserError: the file is missing, damaged, or holds something else; names it.
    """
    try:
        content = json.loads(read_bounded(path).decode())
        if not isinstance(content, dict):
            raise ValueError("it holds no table")
        return content
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: {path.parent} is not a whole run") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}") from error


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, hexadecimal.

    Raises:
        UserError: it cannot be read; names it.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
