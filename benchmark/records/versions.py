"""Versions of a record's files: which can be read, and what is said of a newer one. No torch."""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.errors import UserError


def must_be_known(file: Path, version: object, newest: int) -> None:
    """Raise where a file is of a version that is not out yet; its fields may mean something else.

    Args:
        file: for the message.
        version: what the file says; another thing than a number is left to who reads the file.
        newest: that this cl-bench reads.

    Raises:
        UserError: the version is newer.
    """
    if isinstance(version, int) and version > newest:
        raise UserError(
            f"{file} is of version {version}, and this cl-bench reads versions up to {newest}: use "
            "the cl-bench that made the run, or a newer one"
        )
