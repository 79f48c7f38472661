"""A task's image files: from class folders that are split already, or to be split. No torch."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.checks.prompts import near
from cl_bench.datasets.own.class_folders import check_exclude, read_class_folders

Entries = tuple[tuple[str, int], ...]  # path below some root, class index


@dataclass(frozen=True)
class Files:
    """A task's image files.

    Attributes:
        classes: names in the order of their indices.
        train: per class, its training images.
        test: per class, its test images.
        remarks: what a reader of results should know of them, in words.
        drawn: whether the test images were drawn here, or given.
    """

    classes: tuple[str, ...]
    train: tuple[list[Path], ...]
    test: tuple[list[Path], ...]
    remarks: tuple[str, ...] = ()
    drawn: bool = False

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
    check_exclude(exclude, [folder])
    found = read_class_folders(folder, exclude)
    return split(found.classes, test_share, seed, found.remarks)


def list_test_folder(folder: Path, exclude: Sequence[str]) -> Files:
    """Class folders in ``folder``, all of whose images are test images.

    Raises:
        UserError: the folder does not exist, or a class is empty.
    """
    check_exclude(exclude, [folder])
    found = read_class_folders(folder, exclude)
    nothing: tuple[list[Path], ...] = tuple([] for _ in found.classes)
    return Files(tuple(found.classes), nothing, tuple(found.classes.values()), found.remarks)


def list_split_folders(train: Path, test: Path, exclude: Sequence[str]) -> Files:
    """The same class folders in ``train`` and in ``test``.

    Raises:
        UserError: a folder does not exist, a class is empty or in one of the two only.
    """
    check_exclude(exclude, [train, test])
    learned, held_out = read_class_folders(train, exclude), read_class_folders(test, exclude)
    if odd := sorted(learned.classes.keys() ^ held_out.classes.keys()):
        hint = " (are some written in two ways?)" if near(odd) else ""
        names = ", ".join(ascii(name) if hint else repr(name) for name in odd)
        raise UserError(f"only one of {train} and {test} has the classes {names}{hint}")
    return Files(
        tuple(learned.classes),
        tuple(learned.classes.values()),
        tuple(held_out.classes.values()),
        (*learned.remarks, *held_out.remarks),
    )


def split(
    classes: dict[str, list[Path]], test_share: float, seed: int, remarks: tuple[str, ...] = ()
) -> Files:
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
    return Files(tuple(classes), tuple(train), tuple(test), remarks, drawn=True)


def _below(path: Path, root: Path) -> str:
    """``path`` as seen from ``root``, with forward slashes; may climb out of it with ``..``."""
    return Path(os.path.relpath(path, root)).as_posix()


def fingerprint(listings: Sequence[Entries], digests: Sequence[Sequence[str]]) -> str:
    """SHA-256 over paths, classes and content, in order.

    Args:
        listings: of the training and of the test images.
        digests: of the bytes of the files of each listing, in the same order.
    """
    sha = hashlib.sha256()
    for entries, contents in zip(listings, digests, strict=True):
        for (path, c), content in zip(entries, contents, strict=True):
            sha.update(f"{path}\0{content}\0{c}\n".encode())
        sha.update(b"--\n")
    return sha.hexdigest()
