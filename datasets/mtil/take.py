"""Take a data set from a folder that a user has: its archives, or a copy that is unpacked. No network."""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.archives import Archive
from cl_bench.datasets.mtil.copies.convert import convert
from cl_bench.datasets.mtil.copies.find import held_copy, other_classes
from cl_bench.datasets.mtil.given import Given
from cl_bench.datasets.mtil.staging import staged
from cl_bench.datasets.mtil.unpack import unpack_part
from cl_bench.datasets.mtil.unpacked import check_published, copy_unpacked, unpacked_in

BY_FILE_NAMES = (
    "EuroSAT"  # published as class folders: read as such, so that a part is not taken for all
)


class NothingFoundError(UserError):
    """A folder holds nothing of a data set."""


def take(name: str, parts: tuple[Archive, ...], given: Given, root: Path) -> str:
    """Copy or unpack data set ``name`` from a user's folder to its place, whole and checked, or not at all.

    Archives with the published checksums come before copies that are unpacked.

    Args:
        name: of the data set.
        parts: the files that it is published as.
        given: the user's folder.
        root: the data root.

    Returns:
        What it was taken from, in words.

    Raises:
        RefusedCopyError: there is a copy that is not the published data set, or that cannot be told.
        NothingFoundError: the folder holds nothing of it.
        UserError: it is not whole, not the published one, damaged, or its place is taken.
    """
    found = [given.find(part) for part in parts]
    archives = [one for one in found if one]
    whole = len(archives) == len(parts)
    place = None if whole or name == BY_FILE_NAMES else unpacked_in(name, given.folder)
    copy = None if whole or place else held_copy(name, given)
    if not (whole or place or copy or any(given.holds(file) for _, file in archives)):
        raise NothingFoundError(
            f"there is nothing of it below {given.folder}{other_classes(given)}"
        )
    with staged(name, root) as staging:
        if place:
            copy_unpacked(name, place, staging)
            check_published(name, parts, staging, place)
            return f"copied from {place}; checked by its counts and class names"
        if copy:
            convert(name, copy, parts, given, staging)
            return f"brought from {copy.place} into the published layout; every image has its name"
        if not whole:
            raise _incomplete(parts, found, given)
        for packing, file in archives:
            unpack_part(packing, file, staging)
    return f"unpacked from {', '.join(str(file) for _, file in archives)}"


def _incomplete(
    parts: tuple[Archive, ...], found: list[tuple[Archive, Path] | None], given: Given
) -> UserError:
    pairs = list(zip(parts, found, strict=True))
    there = ", ".join(str(one[1]) for _, one in pairs if one)
    lacking = ", ".join(part.file for part, one in pairs if not one)
    return UserError(f"{there} is there, but below {given.folder} there is no {lacking}")
