"""The folder where a data set belongs, and how to recognise its files in another place. No torch."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cl_bench.datasets.images.visible import is_visible
from cl_bench.datasets.mtil.layout import facts, names_in_files

CLASSES = frozenset({"Caltech101", "EuroSAT"})  # nothing but a folder of class folders
TELLING = 2  # so many class folders tell such a data set
FILES = frozenset({"CIFAR100", "MNIST"})  # whose parts are files without an ending
MANY = 40  # folders in a folder: these are classes, and nothing is looked for in them
DEPTH = 3  # folders between the data root and what is found


@dataclass(frozen=True)
class Home:
    """Where a data set belongs.

    Attributes:
        top: its folder in the data root.
        folder: the one in which its parts lie; ``top`` or below.
        parts: files and folders in ``folder``, each with what must be in it; empty where ``folder``
            holds one folder per class.
        classes: names of those folders.
        files: the parts are files.
    """

    top: Path
    folder: Path
    parts: dict[str, tuple[str, ...]]
    classes: tuple[str, ...]
    files: bool

    def is_in(self, place: Path) -> bool:
        """Whether ``place`` holds all parts, or a few of the class folders."""
        if not self.parts:
            return sum((place / name).is_dir() for name in self.classes) >= TELLING
        return all(self.part_in(place, part) for part in self.parts)

    def part_in(self, place: Path, part: str) -> Path | None:
        """The part in ``place``, whose name may differ in case and in ``.``, ``_`` and ``-``."""
        for name in names_in(place):
            if plain(name) == plain(part):
                path = place / name
                right_kind = path.is_file() if self._is_file(part) else path.is_dir()
                if right_kind and all((path / inner).exists() for inner in self.parts[part]):
                    return path
        return None

    def _is_file(self, part: str) -> bool:
        return not self.parts[part] and (self.files or "." in part)


def home(name: str, root: Path) -> Home:
    """The home of data set ``name`` below ``root``."""
    required = [Path(path) for path in facts()["datasets"][name]["required"]]
    top = root / required[0].parts[0]
    if name in CLASSES:
        return Home(top, root / required[0], {}, names_in_files(name), files=False)
    folder = Path(os.path.commonpath([path.parent for path in required]))
    parts: dict[str, tuple[str, ...]] = {}
    for path in required:
        part, *inner = path.relative_to(folder).parts
        parts[part] = (*parts.get(part, ()), *(["/".join(inner)] if inner else []))
    return Home(top, root / folder, parts, (), files=name in FILES)


def plain(name: str) -> str:
    """What is left of a name without case and kinds of separators."""
    return re.sub(r"[-_. ]+", "-", name).casefold()


def names_in(place: Path) -> list[str]:
    """What lies in ``place``; nothing where it cannot be looked into."""
    try:
        return sorted(os.listdir(place))
    except OSError:
        return []


def folders_in(place: Path) -> list[Path]:
    """The visible folders in ``place``, sorted; none where it cannot be looked into."""
    try:
        with os.scandir(place) as entries:  # tells folders without a look at each of many files
            return sorted(Path(e.path) for e in entries if is_visible(e.name) and e.is_dir())
    except OSError:
        return []


def folders(place: Path) -> Iterator[Path]:
    """``place`` and the visible folders below it, the higher ones first."""
    level = [place]
    for _ in range(DEPTH + 1):
        yield from level
        below = (folders_in(folder) for folder in level)
        level = [path for inside in below if len(inside) <= MANY for path in inside]
