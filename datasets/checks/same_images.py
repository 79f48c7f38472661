"""Images that should differ but are the same: one file listed twice, or two files with equal bytes.

No torch.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from cl_bench.benchmark.errors import UserError


@dataclass(frozen=True, order=True)
class Place:
    """Where an image stands.

    Attributes:
        task: its name.
        split: train or test.
        classname: as files call it.
    """

    task: str
    split: str
    classname: str


@dataclass(frozen=True)
class Placed:
    """An image file, its place, and how people are told of it."""

    file: Path
    place: Place
    shown: str


def check_each_file_once(images: Sequence[Placed]) -> None:
    """Make sure that no file of a task stands in two places, by a link or by another path.

    Raises:
        UserError: one does; names both places.
    """
    by_inode: defaultdict[tuple[int, int], list[Placed]] = defaultdict(list)
    for image in images:
        about = os.stat(image.file)
        by_inode[about.st_dev, about.st_ino].append(image)
    for group in by_inode.values():
        first: dict[
            str, Placed
        ] = {}  # two names of an inode may be two copies, saved as hard links
        for image in group if len(group) > 1 else ():
            before = first.setdefault(os.path.realpath(image.file), image)
            if before is not image:
                raise UserError(f"{_words(before)} and {_words(image)} are the same file")


def _words(image: Placed) -> str:
    return f"{image.shown} ({image.place.split}, class {image.place.classname!r})"


def same_bytes(images: Sequence[Placed], digests: Sequence[str]) -> tuple[str, ...]:
    """Say where the same bytes stand under several names.

    Args:
        images: of all tasks.
        digests: of their bytes.

    Returns:
        One sentence per pair of places: train and test, two classes, twice in a class.
    """
    groups: defaultdict[str, list[Placed]] = defaultdict(list)
    for image, digest in zip(images, digests, strict=True):
        groups[digest].append(image)
    found: defaultdict[str, list[tuple[Placed, Placed]]] = defaultdict(list)
    for group in groups.values():
        for where, pair in _pairs(group).items():
            found[where].append(pair)
    return tuple(
        f"{len(pairs)} {'image has' if len(pairs) == 1 else 'images have'} the same bytes in {where}, "
        f"for example {pairs[0][0].shown} and {pairs[0][1].shown}"
        for where, pairs in sorted(found.items())
    )


def _pairs(group: Iterable[Placed]) -> dict[str, tuple[Placed, Placed]]:
    """For every two parts or classes that share an image: its first names there."""
    first: dict[Place, Placed] = {}
    pairs: dict[str, tuple[Placed, Placed]] = {}
    for image in group:
        before = first.setdefault(image.place, image)
        if before is not image:
            where = f"one class of {_part(image.place)}"
            pairs.setdefault(where, (before, image))
    for a, b in combinations(sorted(first), 2):
        same = (a.task, a.split) == (b.task, b.split)
        where = f"two classes of {_part(a)}" if same else f"{_part(a)} and {_part(b)}"
        pairs.setdefault(where, (first[a], first[b]))
    return pairs


def _part(place: Place) -> str:
    return f"the {'test' if place.split == 'test' else 'training'} set of {place.task}"
