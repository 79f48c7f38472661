"""A data set takes its place whole or not at all: it is made beside it, and moved there when it is whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.datasets.mtil.layout import missing_files


@contextmanager
def staged(name: str, root: Path) -> Iterator[Path]:
    """A folder to make data set ``name`` in; what is in it moves to ``root`` when the block ends well.

    Where it does not end well, nothing of it is left.

    Raises:
        UserError: the data set lacks files, a file cannot be read or written, or something lies in its
            place.
    """
    staging = root / f".unpacking-{name}"
    shutil.rmtree(staging, ignore_errors=True)  # of a process that was killed
    staging.mkdir(parents=True)
    try:
        yield staging
        _move(name, staging, root)
    except OSError as error:
        raise UserError(f"{name} cannot be brought to {root}: {_reason(error)}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _move(name: str, staging: Path, root: Path) -> None:
    if lacking := missing_files(staging)[name]:
        raise UserError(f"{name} as it was got lacks {', '.join(lacking)}; nothing of it is kept")
    items = sorted(staging.iterdir())
    if there := [root / item.name for item in items if (root / item.name).exists()]:
        raise UserError(f"{there[0]} is there but not whole; remove it and prepare {name} again")
    for item in items:
        item.rename(root / item.name)


def _reason(error: OSError) -> str:
    """Of many files that could not be copied, the first."""
    if isinstance(error, shutil.Error) and isinstance(error.args[0], list):
        return f"{error.args[0][0][0]}: {error.args[0][0][2]}"
    return in_one_line(error)
