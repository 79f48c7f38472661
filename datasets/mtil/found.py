"""What a reader found in a data set's files, and whether it holds together."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images.visible import is_visible

Split = Literal["train", "test"]


def _line(index: int) -> str:
    return f"line {index + 1}"


@dataclass(frozen=True)
class Found:
    """Images, targets and class names as a data set's own files give them."""

    images: Sequence[Path] | NDArray[np.uint8]
    targets: NDArray[np.int64]
    """[N], indices into ``names``."""
    names: tuple[str, ...]
    source: Path
    """The list or folder that names the images."""
    place: Callable[[int], str] = _line
    """Where ``source`` names image ``i``, in words."""
    names_from: Path | None = None
    """The file that names the classes, where it is another than ``source``."""
    class_folder: Callable[[str], Path] | None = None
    """A class's folder, for data sets that are nothing but folders: none of them may be empty."""


def integers(labels: Any) -> NDArray[np.int64]:
    """Labels of any kind as targets."""
    return np.asarray(labels, dtype=np.int64)


def check(found: Found) -> None:
    """Make sure that every class has one name, every target a class, every file an image.

    Raises:
        UserError: names the first thing that is wrong and where it stands.
    """
    _check_names(found)
    _check_targets(found)
    if not isinstance(found.images, np.ndarray):
        _check_files(found, found.images)
    if found.class_folder is not None:
        counts = np.bincount(found.targets, minlength=len(found.names))
        if empty := [name for name, n in zip(found.names, counts, strict=True) if n == 0]:
            raise empty_class(found.class_folder(empty[0]))


def empty_class(folder: Path) -> UserError:
    """The error for a class folder without images."""
    return UserError(f"the class folder {folder} holds no image; unpack the archive again")


def _check_names(found: Found) -> None:
    seen: set[str] = set()
    for name in found.names:
        if not name or name in seen:
            fault = f"names the class {name!r} twice" if name else "has a class without a name"
            raise UserError(f"{found.names_from or found.source} {fault}; fetch it again")
        seen.add(name)


def _check_targets(found: Found) -> None:
    if len(found.targets) == 0:
        raise UserError(f"{found.source} names no image; fetch the data set again")
    if len(found.targets) != len(found.images):
        raise UserError(
            f"{found.source} has {len(found.images)} images and {len(found.targets)} labels; "
            "fetch the data set again"
        )
    wrong = np.flatnonzero((found.targets < 0) | (found.targets >= len(found.names)))
    if len(wrong):
        i = int(wrong[0])
        raise UserError(
            f"{found.source}, {found.place(i)}: there is no class number {found.targets[i] + 1} "
            f"among {len(found.names)}; fetch the file again"
        )


def _check_files(found: Found, images: Sequence[Path]) -> None:
    """One look into each folder, as a look for each of 100,000 files takes minutes on a network."""
    # strings: they hash faster than paths
    places = [os.fspath(path).rpartition(os.sep)[::2] for path in images]
    folders = {folder: _entries(Path(folder)) for folder in {folder for folder, _ in places}}
    missing = [i for i, (folder, name) in enumerate(places) if name not in folders[folder]]
    if missing:
        i = missing[0]
        more = f" ({len(missing)} images are missing in all)" if len(missing) > 1 else ""
        raise UserError(
            f"{found.source}, {found.place(i)}, names {images[i]}, which is not there{more}; "
            "unpack the images again"
        )
    if hidden := [os.path.join(*place) for place in places if not is_visible(place[1])]:
        raise UserError(f"{found.source} names {hidden[0]}, which is hidden and so no data")


def _entries(folder: Path) -> frozenset[str]:
    return frozenset(os.listdir(folder)) if folder.is_dir() else frozenset()
