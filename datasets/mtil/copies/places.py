"""Where the published layout has an image of a copy: its file's name decides. No torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.copies.class_names import class_numbers
from cl_bench.datasets.mtil.copies.held import HeldCopy, HeldImage
from cl_bench.datasets.mtil.layout import facts, names_in_files


def layout_places(dataset: str, copy: HeldCopy) -> list[str]:
    """Per image, its path below the data root.

    Raises:
        UserError: an image has not the name of a published one, two have the same, one is called another
            class than its name says, or a data set that is split here has another number of images.
    """
    if dataset not in PLACES:
        raise UserError(f"of {dataset} only the published files are read")
    numbers = class_numbers(dataset, (claim for image in copy.images for claim in image.claims()))
    places = [PLACES[dataset](image, numbers) for image in copy.images]
    twice = {place: n for place, n in Counter(places).items() if n > 1}
    if twice:
        two = [i.place for i, p in zip(copy.images, places, strict=True) if p in twice]
        raise UserError(f"{two[0].rstrip(',')} and another image have the same published name")
    if dataset in WHOLE:
        about = facts()["datasets"][dataset]
        _same_number(len(places), about["train"] + about["test"])
    if dataset == "EuroSAT":
        _numbered_from_1(places)
    return places


def _same_number(found: int, expected: int) -> None:
    if found != expected:
        raise UserError(f"it has {found:,} images where {expected:,} belong")


def _numbered_from_1(places: list[str]) -> None:
    """The images of a class are numbered without a gap, so that none is another's copy."""
    there = set(places)
    for place in places:
        stem, number = place.removesuffix(".jpg").rsplit("_", 1)
        if int(number) > 1 and (before := f"{stem}_{int(number) - 1}.jpg") not in there:
            raise UserError(f"there is no {before.rsplit('/', 1)[1]}, but later ones are there")


def _eurosat(image: HeldImage, numbers: dict[str, int]) -> str:
    found = _named(image, r"([A-Za-z]+)_[1-9]\d*\.jpg", "<class>_<number>.jpg")
    names = names_in_files("EuroSAT")
    if found[1] not in names:
        raise UserError(f"{image.place} is called after no class of EuroSAT")
    _agree(image, numbers, names.index(found[1]))
    return f"eurosat/2750/{found[1]}/{image.file}"


def _sun397(image: HeldImage, numbers: dict[str, int]) -> str:
    _named(image, r"sun_[a-z]+\.jpg", "sun_<letters>.jpg")
    if image.folder is None:
        raise UserError(
            f"{image.place} lies in no class folder, so that its label cannot be checked"
        )
    number = numbers[image.folder]
    _agree(image, numbers, number)
    name = names_in_files("SUN397")[number]
    return f"SUN397/{name[0]}/{name}/{image.file}"


def _flowers(image: HeldImage, numbers: dict[str, int]) -> str:
    _named(image, r"image_\d{5}\.jpg", "image_<five digits>.jpg")
    return f"flowers-102/jpg/{image.file}"


def _cars(image: HeldImage, numbers: dict[str, int]) -> str:
    _named(image, r"\d{5}\.jpg", "<five digits>.jpg")
    if image.part not in ("train", "test"):
        raise UserError(f"{image.place} is in no folder or file called train or test")
    return f"stanford_cars/cars_{image.part}/{image.file}"


def _named(image: HeldImage, pattern: str, form: str) -> re.Match[str]:
    found = re.fullmatch(pattern, image.file)
    if not found:
        where = image.place if image.file in image.place else f"{image.place} {image.file!r}"
        words = "has no file name" if not image.file else "is not called as published"
        raise UserError(f"{where} {words} ({form})")
    return found


def _agree(image: HeldImage, numbers: dict[str, int], number: int) -> None:
    for claim in image.claims():
        if numbers[claim] != number:
            raise UserError(
                f"{image.place} is of another class than {claim!r}, which the copy says"
            )


WHOLE = ("EuroSAT", "SUN397")
"""Split by the harness over all images in order of their names, whatever the copy says."""
PLACES: dict[str, Callable[[HeldImage, dict[str, int]], str]] = {
    "EuroSAT": _eurosat,
    "SUN397": _sun397,
    "Flowers": _flowers,
    "StanfordCars": _cars,
}
