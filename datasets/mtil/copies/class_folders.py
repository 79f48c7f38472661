"""Copies in class folders, divided or not, and in one folder without classes, as Kaggle and others ship them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images.visible import has_image_name, visible
from cl_bench.datasets.mtil.copies.class_names import are_classes
from cl_bench.datasets.mtil.copies.held import HeldCopy, HeldImage, part_of
from cl_bench.datasets.mtil.home import folders, folders_in

FLAT = {"Flowers": r"image_\d{5}\.jpg", "StanfordCars": r"\d{5}\.jpg"}
"""Whose lists name the images, so that they need no class folders."""


def class_folders_copy(dataset: str, folder: Path) -> HeldCopy | None:
    """The copy of ``dataset`` in class folders below ``folder``.

    Raises:
        UserError: there are several.
    """
    places = [p for p in folders(folder) if are_classes(dataset, (f.name for f in folders_in(p)))]
    if dataset in FLAT:
        inside = [p for p in folders(folder) if p.parent not in places and p not in places]
        places += [p for p in inside if _is_flat(dataset, p)]
    tops = list(dict.fromkeys(_top(place, folder) for place in places))
    if len(tops) > 1:
        raise UserError(f"{tops[0]} and {tops[1]} both hold it; give --from one of them")
    return _copy(tops[0], places) if tops else None


def _is_flat(dataset: str, place: Path) -> bool:
    if dataset == "StanfordCars" and part_of(place.name) not in ("train", "test"):
        return False
    return any(re.fullmatch(FLAT[dataset], file.name) for file in _images(place))


def _top(place: Path, folder: Path) -> Path:
    """The folder that all parts of a copy lie in."""
    while part_of(place.name) and place != folder:
        place = place.parent
    return place


def _copy(top: Path, places: Sequence[Path]) -> HeldCopy:
    files: list[Path] = []
    images: list[HeldImage] = []
    for place in places:
        for file, name in _in_place(place):
            files.append(file)
            images.append(HeldImage(file.name, name, None, part_of(place.name), str(file)))

    def write(targets: Sequence[Path]) -> None:
        for file, target in zip(files, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)

    size = sum(file.stat().st_size for file in files)
    return HeldCopy(top, tuple(images), size, write, _suite(top, places))


def _in_place(place: Path) -> Iterator[tuple[Path, str | None]]:
    """Images with the names of their class folders."""
    yield from ((file, None) for file in _images(place))
    for folder in folders_in(place):
        yield from ((file, folder.name) for file in _images(folder))


def _images(folder: Path) -> list[Path]:
    return [file for file in visible(folder) if has_image_name(file) and file.is_file()]


def _suite(top: Path, places: Sequence[Path]) -> str:
    """``[[tasks]]`` lines; a JSON string is a TOML string, too."""
    by_part = {part_of(place.name): place for place in places}
    name = re.sub(r"[^\w.+-]+", "-", top.name) or "own"
    lines = ["[[tasks]]", f"name = {json.dumps(name)}"]
    if "train" in by_part and "test" in by_part:
        lines += [f"{part} = {json.dumps(str(by_part[part]))}" for part in ("train", "test")]
    else:
        lines += [f"images = {json.dumps(str(places[0]))}", "test_share = 0.2", "split_seed = 0"]
    return "\n".join(lines)
