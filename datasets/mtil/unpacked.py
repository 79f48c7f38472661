"""Copies of data sets that are unpacked already, in their published layout: found, copied, checked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images.visible import files_below, is_visible
from cl_bench.datasets.mtil.archives import Archive
from cl_bench.datasets.mtil.copies.class_names import are_classes
from cl_bench.datasets.mtil.fetch import wrong_checksum
from cl_bench.datasets.mtil.home import Home, folders, folders_in, home
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.mtil.misplaced import WITH_LETTERS
from cl_bench.datasets.mtil.unpack import check_space
from cl_bench.datasets.mtil.written_anew import check_as_published, check_boxes


def unpacked_in(name: str, folder: Path) -> Path | None:
    """The folder below ``folder`` that holds the parts of data set ``name`` side by side."""
    where = home(name, folder)
    if where.parts:
        return next((place for place in folders(folder) if where.is_in(place)), None)
    inside = ((place, (path.name for path in folders_in(place))) for place in folders(folder))
    return next((place for place, names in inside if are_classes(name, names)), None)


def copy_unpacked(name: str, place: Path, staging: Path) -> None:
    """Copy the parts of data set ``name`` in ``place`` to where the layout has them below ``staging``.

    Raises:
        UserError: the disk is too small.
    """
    copies = dict(_copies(name, place, home(name, staging)))
    files = [file for source in copies for file in _files(source)]
    check_space(sum(file.stat().st_size for file in files), staging)
    for source, target in copies.items():
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=_hidden, dirs_exist_ok=True)
        else:
            shutil.copy2(source, target)


def _copies(name: str, place: Path, where: Home) -> Iterator[tuple[Path, Path]]:
    if name == WITH_LETTERS:
        letters = [path for path in folders_in(place) if len(path.name) == 1]
        yield from ((path, where.folder / path.name) for path in letters)
    if not where.parts:
        yield from ((place / n, where.folder / n) for n in where.classes if (place / n).is_dir())
    for part in where.parts:
        if path := where.part_in(place, part):
            yield path, where.folder / part


def _files(source: Path) -> Iterator[Path]:
    if source.is_dir():
        yield from files_below(source)
    else:
        yield source


def _hidden(_: str, names: list[str]) -> list[str]:
    return [name for name in names if not is_visible(name)]


def check_published(name: str, parts: tuple[Archive, ...], staging: Path, place: Path) -> None:
    """Make sure that data set ``name`` below ``staging`` is the published one, as far as can be told.

    Files that are published as they are have their checksums; the rest has its number of images, its
    classes and their order, and images that do not look as if they were written anew.

    Args:
        name: of the data set.
        parts: what it is published as.
        staging: where it was copied to.
        place: where it was copied from, for the message.

    Raises:
        UserError: it is another one.
    """
    from cl_bench.datasets.mtil.readers import read_both
    from cl_bench.datasets.mtil.status import status

    try:
        for part in parts:
            file = staging / part.into / part.file
            if file.is_file() and (fault := wrong_checksum(part, file)):
                raise UserError(fault)
        state = status(name, staging)
        if state.state != "found":
            raise UserError("; ".join(state.notes))
        for listing in read_both(name, staging):
            if isinstance(listing.images, tuple):
                check_as_published(listing.images, facts()["datasets"][name].get("native_size"))
        if name == "StanfordCars":
            check_boxes(staging / "stanford_cars")
    except UserError as error:
        words = _as_in(str(error), name, staging, place)
        raise UserError(f"{place} is not the published {name}: {words}") from error


def _as_in(words: str, name: str, staging: Path, place: Path) -> str:
    """Words on the copy, in which the user's own folder is named."""
    return words.replace(str(home(name, staging).folder), str(place)).replace(
        str(staging), str(place)
    )
