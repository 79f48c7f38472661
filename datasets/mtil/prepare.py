"""Fetch the MTIL data sets: whole and checked, or not at all."""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.archives import Archive, elsewhere
from cl_bench.datasets.mtil.fetch import Say, fetch
from cl_bench.datasets.mtil.staging import staged
from cl_bench.datasets.mtil.unpack import unpack_part

DOWNLOADS = ".downloads"


def prepare(name: str, parts: tuple[Archive, ...], root: Path, say: Say) -> None:
    """Fetch a data set, check it, unpack it beside its place, and move it there when it is whole.

    A process that is stopped leaves finished downloads in ``root/.downloads`` for the next one and
    nothing in the data set's place.

    Args:
        name: of the data set.
        parts: what to fetch.
        root: the data root.
        say: hears of every source that fails, in one line.

    Raises:
        UserError: a part cannot be fetched or unpacked, or the data set's place is taken.
    """
    with staged(name, root) as staging:
        for part in parts:
            try:
                packing, file = fetch(part, root / DOWNLOADS, say)
            except UserError as error:
                raise UserError(f"{error}. {_by_hand(name, parts, root)}") from error
            unpack_part(packing, file, staging)


def _by_hand(name: str, parts: tuple[Archive, ...], root: Path) -> str:
    """What a person can do."""
    files = ", ".join(part.file for part in parts)
    where = f" ({words})" if (words := elsewhere(parts)) else ""
    return (
        f"Get {files} by other means{where}, then run "
        f"`cl-bench data prepare {name} --from FOLDER`, the folder that holds them"
    )
