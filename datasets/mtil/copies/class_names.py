"""The classes of the published data set that a copy means, in whichever way it writes them. No torch."""

from __future__ import annotations

import re
from collections.abc import Iterable

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.layout import names_in_files, names_in_prompts

BY_NUMBER = frozenset({"Flowers", "StanfordCars"})  # whose lists number the classes, from 1
FEW = 20  # classes of a data set tell it, or half of them where it has few


def plain(name: str) -> str:
    """What is left of a class's name without case and separators."""
    return re.sub(r"[\W_]+", "", name).casefold()


def known_classes(dataset: str) -> dict[str, int]:
    """Class indices by plain names, as files and as prompts have them."""
    files, prompts = names_in_files(dataset), names_in_prompts(dataset)
    return {plain(n): i for names in (prompts, files) for i, n in enumerate(names)}


def are_classes(dataset: str, written: Iterable[str]) -> bool:
    """Whether names are those of the classes of ``dataset``, all or many of them."""
    there, classes = set(written), len(names_in_files(dataset))
    if dataset in BY_NUMBER and len(there) == classes and all(n.isdecimal() for n in there):
        return True
    needed = min(FEW, (classes + 1) // 2)
    return len(there) >= needed and needed <= len(
        {plain(n) for n in there} & known_classes(dataset).keys()
    )


def class_numbers(dataset: str, written: Iterable[str]) -> dict[str, int]:
    """The class index that each name means.

    Numbers count from the smallest one. Whether that is right is not known here: every image must be
    compared with the published lists.

    Raises:
        UserError: a name is no class of the data set.
    """
    names = set(written)
    if dataset in BY_NUMBER and names and all(name.isdecimal() for name in names):
        first = min(map(int, names))
        return {name: int(name) - first for name in names}
    known = known_classes(dataset)
    if odd := sorted(name for name in names if plain(name) not in known):
        raise UserError(f"{dataset} has no class {odd[0]!r}")
    return {name: known[plain(name)] for name in names}
