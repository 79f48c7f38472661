"""Folders of images, one per class, split already or to be split. No torch."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.errors import UserError

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
Entries = tuple[tuple[str, int], ...]  # path below some root, class index


@dataclass(frozen=True)
class Files:
    """A task's image files.

    Attributes:
        classes: names in the order of their indices.
        train: per class, its training images.
        test: per class, its test images.
    """

    classes: tuple[str, ...]
    train: tuple[list[Path], ...]
    test: tuple[list[Path], ...]

    def below(self, root: Path) -> tuple[Entries, Entries]:
        """Training and test images as paths below ``root`` with their class indices."""
        return _entries(self.train, root), _entries(self.test, root)


def _entries(per_class: Sequence[list[Path]], root: Path) -> Entries:
    return tuple((_below(path, root), c) for c, paths in enumerate(per_class) for path in paths)


def list_folder(folder: Path, exclude: Sequence[str], test_share: float, seed: int) -> Files:
    """Class folders in ``folder``; of every class, ``test_share`` is held out.

    Raises:
        UserError: the folder does not exist, or a class is empty or too small to be split.
    """
    return split(_classes(folder, exclude), test_share, seed)


def list_split_folders(train: Path, test: Path, exclude: Sequence[str]) -> Files:
    """The same class folders in ``train`` and in ``test``.

    Raises:
        UserError: a folder does not exist, a class is empty or in one of the two only.
    """
    learned, held_out = _classes(train, exclude), _classes(test, exclude)
    if odd := sorted(learned.keys() ^ held_out.keys()):
        raise UserError(f"only one of {train} and {test} has the classes {', '.join(odd)}")
    return Files(tuple(learned), tuple(learned.values()), tuple(held_out.values()))


def split(classes: dict[str, list[Path]], test_share: float, seed: int) -> Files:
    """Hold ``test_share`` of every class out, the same files for the same seed.

    Raises:
        UserError: a class has too few images.
    """
    train, test = [], []
    for name, files in classes.items():
        shuffled = files.copy()
        random.Random(f"{seed}/{name}").shuffle(shuffled)
        held_out = max(1, round(test_share * len(files)))
        if held_out == len(files):
            raise UserError(f"class {name} has too few images to be split ({files[0]})")
        test.append(sorted(shuffled[:held_out]))
        train.append(sorted(shuffled[held_out:]))
    return Files(tuple(classes), tuple(train), tuple(test))


def _classes(folder: Path, exclude: Sequence[str]) -> dict[str, list[Path]]:
    """Class folder name -> its image files, both sorted."""
    if not folder.is_dir():
        raise UserError(f"the image folder {folder} does not exist")
    classes = {
        d.name: sorted(f for f in d.iterdir() if f.suffix.lower() in SUFFIXES)
        for d in sorted(folder.iterdir())
        if d.is_dir() and d.name not in exclude
    }
    if empty := [name for name, files in classes.items() if not files]:
        raise UserError(f"the class folder {folder / empty[0]} holds no image")
    if len(classes) < 2:
        raise UserError(f"{folder} holds {len(classes)} class folders; a task needs two or more")
    return classes


def _below(path: Path, root: Path) -> str:
    """``path`` as seen from ``root``, with forward slashes; may climb out of it with ``..``."""
    return Path(os.path.relpath(path, root)).as_posix()


def fingerprint(root: Path, *listings: Entries) -> str:
    """SHA-256 over paths, sizes and classes, in order."""
    sha = hashlib.sha256()
    for entries in listings:
        for path, c in entries:
            sha.update(f"{path}\0{(root / path).stat().st_size}\0{c}\n".encode())
        sha.update(b"--\n")
    return sha.hexdigest()
