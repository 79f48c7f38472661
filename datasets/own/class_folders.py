"""A folder of class folders: which images are of which class, and what else lies there. No torch."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images.visible import SUFFIXES, files_below, has_image_name, visible

# What cameras and browsers write; an image in one of these under another ending is named.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")


@dataclass(frozen=True)
class ClassFolders:
    """What was found.

    Attributes:
        classes: name of a class folder -> its images, both sorted.
        remarks: what lies there and is not used, in words.
    """

    classes: dict[str, list[Path]]
    remarks: tuple[str, ...]


def read_class_folders(folder: Path, exclude: Sequence[str]) -> ClassFolders:
    """Read the class folders in ``folder``, those called in ``exclude`` left out.

    Raises:
        UserError: there are fewer than two classes, one has no image, or images lie where they would
            not be found.
    """
    if not folder.is_dir():
        words = "is no folder" if folder.exists() else "does not exist"
        raise UserError(f"the image folder {folder} {words}")
    entries = visible(folder)
    folders = [entry for entry in entries if entry.is_dir() and entry.name not in exclude]
    unused = [entry for entry in entries if not entry.is_dir()]
    classes: dict[str, list[Path]] = {}
    for place in folders:
        inside = visible(place)
        classes[place.name] = [entry for entry in inside if _is_image(entry)]
        unused += _others(place, [entry for entry in inside if not has_image_name(entry)])
        if not classes[place.name]:
            raise UserError(f"the class folder {place} holds no image")
    if len(classes) < 2:
        raise UserError(f"{folder} holds {len(classes)} class folders; a task needs two or more")
    return ClassFolders(classes, _in_words(unused, folder))


def check_exclude(exclude: Iterable[str], folders: Sequence[Path]) -> None:
    """Make sure that every excluded folder is there.

    Raises:
        UserError: one is in none of ``folders``.
    """
    if not all(folder.is_dir() for folder in folders):
        return  # missing folders are reported where they are read
    there = {entry.name for folder in folders for entry in folder.iterdir() if entry.is_dir()}
    if odd := sorted(set(exclude) - there):
        places = " or ".join(map(str, folders))
        raise UserError(f"exclude names {odd[0]!r}, but there is no such folder in {places}")


def _is_image(entry: Path) -> bool:
    if not has_image_name(entry):
        return False
    if entry.is_dir():
        raise _nested(entry)
    if not entry.exists():
        raise UserError(f"{entry} is a link to a file that does not exist; remove or mend it")
    return True


def _others(place: Path, entries: Sequence[Path]) -> list[Path]:
    """What is no image in a class folder.

    Raises:
        UserError: it is an image after all.
    """
    for entry in entries:
        if entry.is_dir() and any(has_image_name(file) for file in files_below(entry)):
            raise _nested(entry)
        if entry.is_file() and _holds_an_image(entry):
            raise UserError(
                f"{entry} is an image with an ending that is not read; known are "
                f"{', '.join(sorted(SUFFIXES))}: rename it, convert it or remove it"
            )
    return list(entries)


def _nested(folder: Path) -> UserError:
    return UserError(
        f"{folder} is a folder of images in a class folder; the images of a class lie in its folder "
        "itself"
    )


def _holds_an_image(file: Path) -> bool:
    from PIL import Image

    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(file, formats=formats):
            return True
    except Image.DecompressionBombError:
        return True
    except OSError:
        return False


def _in_words(unused: Sequence[Path], folder: Path) -> tuple[str, ...]:
    if not unused:
        return ()
    endings = Counter(path.suffix.lower() or "no ending" for path in unused)
    counts = ", ".join(f"{ending}: {count}" for ending, count in sorted(endings.items()))
    first = unused[0].relative_to(folder).as_posix()
    return (
        f"not used in {folder.name}/, as no images of a class: {len(unused)} ({counts}), the first is "
        f"{first}",
    )
