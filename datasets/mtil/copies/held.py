"""A copy of a data set in another layout than the published one: its images, and what it says of them. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.errors import UserError

PARTS = ("train", "test", "val")


@dataclass(frozen=True)
class HeldImage:
    """One image as a copy has it.

    Attributes:
        file: its name, without folders; empty where the copy has none.
        folder: the class that its folder is called, if it lies in a class folder.
        label: the class that the copy's labels say, if it has labels.
        part: ``train``, ``test``, ``val`` or nothing, as the copy divides.
        place: where it stands, in words.
    """

    file: str
    folder: str | None
    label: str | None
    part: str
    place: str

    def claims(self) -> tuple[str, ...]:
        """Every class that the copy says it is of."""
        return tuple(claim for claim in (self.folder, self.label) if claim is not None)


@dataclass(frozen=True)
class HeldCopy:
    """A copy.

    Attributes:
        place: the folder it lies in.
        images: all of them.
        size: of the images in bytes.
        write: writes the images to as many files, in order.
        suite: ``[[tasks]]`` lines of a suite of one's own on it.
    """

    place: Path
    images: tuple[HeldImage, ...]
    size: int
    write: Callable[[Sequence[Path]], None]
    suite: str


class RefusedCopyError(UserError):
    """A copy that cannot be matched to the published data set; it can be a suite of one's own.

    Attributes:
        suite: its ``[[tasks]]`` lines.
    """

    def __init__(self, name: str, copy: HeldCopy, why: str) -> None:
        super().__init__(
            f"{copy.place} cannot be matched to the published {name}, so it is refused: {why}"
        )
        self.suite = copy.suite


def part_of(name: str) -> str:
    """The part of a data set that a folder or file of that name holds, or nothing."""
    words = re.split(r"[^a-z]+", name.lower())
    known = ((part, word) for part in PARTS for word in words if word.startswith(part))
    return next((part for part, _ in known), "")
