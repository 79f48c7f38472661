"""What counts as data in a folder: nothing hidden, nothing that systems leave behind. No torch."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from cl_bench.benchmark.errors import UserError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
# Folders and files that macOS, Windows, Linux and network drives put beside those of people.
LEFT_BY_SYSTEMS = frozenset(
    {"__macosx", "@eadir", "lost+found", "$recycle.bin", "system volume information",
     "thumbs.db", "ehthumbs.db", "desktop.ini"}
)  # fmt: skip


def is_visible(name: str) -> bool:
    """Whether a file or folder of that name can be data."""
    return not name.startswith(".") and name.lower() not in LEFT_BY_SYSTEMS


def has_image_name(path: Path) -> bool:
    """Whether the ending is that of an image."""
    return path.suffix.lower() in SUFFIXES


def visible(folder: Path) -> list[Path]:
    """The visible files and folders in ``folder``, sorted.

    Raises:
        UserError: a name is no text.
    """
    return sorted(folder / name for name in _visible(folder, os.listdir(folder)))


def files_below(folder: Path) -> Iterator[Path]:
    """Every visible file below ``folder``, links to folders followed, each folder once.

    Raises:
        UserError: a name is no text.
    """
    seen: set[tuple[int, int]] = set()
    for place, folders, files in os.walk(folder, followlinks=True):
        about = os.stat(place)
        here = (about.st_dev, about.st_ino)
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        folders[:] = sorted(_visible(place, folders))
        yield from (Path(place, name) for name in sorted(_visible(place, files)))


def _visible(folder: Path | str, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        if is_visible(name):
            if any("\ud800" <= letter <= "\udfff" for letter in name):  # bytes that are not UTF-8
                raise UserError(f"{folder} holds the name {name!a}, which is no UTF-8; rename it")
            yield name
