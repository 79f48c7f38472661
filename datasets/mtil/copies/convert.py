"""Bring a copy into the published layout, where it can be matched to it image by image; else refuse it."""

from __future__ import annotations

import shutil
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.archives import Archive
from cl_bench.datasets.mtil.copies.class_names import class_numbers
from cl_bench.datasets.mtil.copies.held import HeldCopy, RefusedCopyError
from cl_bench.datasets.mtil.copies.places import layout_places
from cl_bench.datasets.mtil.given import Given
from cl_bench.datasets.mtil.layout import facts, names_in_files
from cl_bench.datasets.mtil.unpack import check_space, unpack_part
from cl_bench.datasets.mtil.unpacked import check_published


def convert(
    name: str, copy: HeldCopy, parts: tuple[Archive, ...], given: Given, staging: Path
) -> None:
    """Write data set ``name`` in its published layout.

    The published lists decide which image is of which class and split; where there are none, the names
    of the files do. What the copy says itself must agree for every image.

    Args:
        name: of the data set.
        copy: its images.
        parts: the files that it is published as.
        given: where the published lists are looked for.
        staging: the layout is written below it.

    Raises:
        RefusedCopyError: it is not the published data set, or that cannot be told.
        UserError: the disk is too small, or a file is damaged.
    """
    check_space(copy.size, staging)
    try:
        files = [staging / place for place in layout_places(name, copy)]
        _bring_lists(name, parts, given, staging)
    except UserError as error:
        raise RefusedCopyError(name, copy, str(error)) from error
    copy.write(files)
    try:
        check_published(name, parts, staging, copy.place)
        _check_claims(name, copy, files, staging)
    except UserError as error:
        words = str(error).replace(str(staging), str(copy.place))
        raise RefusedCopyError(name, copy, words) from error


def _bring_lists(name: str, parts: tuple[Archive, ...], given: Given, staging: Path) -> None:
    """Put what says which image is of which class and split below ``staging``."""
    if name == "SUN397":
        (staging / "SUN397").mkdir()
        lines = "".join(f"/{scene[0]}/{scene}\n" for scene in names_in_files(name))
        (staging / "SUN397" / "ClassName.txt").write_text(lines, "utf-8")
    for part in (part for part in parts if part.lists):
        if found := given.find(part):
            unpack_part(*found, staging)
    for required in map(Path, facts()["datasets"][name]["required"]):
        if required.suffix == ".mat" and not (staging / required).exists():
            _bring_unpacked(required, parts, given, staging)


def _bring_unpacked(
    required: Path, parts: tuple[Archive, ...], given: Given, staging: Path
) -> None:
    """A list that is published in an archive and lies unpacked below the folder."""
    in_archive = next((part for part in parts if part.file == required.name), None) is None
    there = given.named(required.name) if in_archive else []
    if len({file.read_bytes() for file in there}) != 1:
        words = "there are several different ones" if there else "it is not there"
        raise UserError(
            f"the published {required.name} must lie below {given.folder}, as it says which image is of "
            f"which class and split; {words}"
        )
    (staging / required).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(there[0], staging / required)


def _check_claims(name: str, copy: HeldCopy, files: list[Path], staging: Path) -> None:
    """Compare what the copy calls each image with the class that the published lists give it."""
    from cl_bench.datasets.mtil.readers import read_both

    numbers = class_numbers(name, (claim for image in copy.images for claim in image.claims()))
    published: dict[Path, int] = {}
    for listing in read_both(name, staging):
        paths = listing.images if isinstance(listing.images, tuple) else ()
        published |= dict(zip(paths, listing.targets.tolist(), strict=True))
    names = names_in_files(name)
    for image, file in zip(copy.images, files, strict=True):
        number = published.get(file)
        if wrong := [c for c in image.claims() if number is not None and numbers[c] != number]:
            raise UserError(
                f"{image.place} is of the class {names[published[file]]!r} (number "
                f"{published[file] + 1}), but the copy says {wrong[0]!r}"
            )
