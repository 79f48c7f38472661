"""Image-text pairs that were listed, and how they are loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images.listing import Listing

if TYPE_CHECKING:
    from cl_bench.benchmark.assets import Pairs
    from cl_bench.benchmark.images import Images
    from cl_bench.datasets.images.store import Store

DARK = 8  # of 255: an image without a brighter pixel is black, also behind JPEG


@dataclass(frozen=True)
class ListedPairs:
    """Image-text pairs before they are decoded.

    Attributes:
        said: the option and its value, for people.
        at_least: how many a step uses at once.
        files: of N images.
        prompts: of each of them.
        rows: per task, which of the N it is learned with.
    """

    said: str
    at_least: int
    files: tuple[Path, ...]
    prompts: tuple[str, ...]
    rows: Mapping[str, tuple[int, ...]]

    def most(self) -> int:
        """How many pairs the task with the most of them has."""
        return max(map(len, self.rows.values()), default=0)

    def check(self) -> None:
        """Make sure that every task has enough.

        Raises:
            UserError: one has too few.
        """
        for task, rows in self.rows.items():
            must_be_enough(self.said, task, len(rows), self.at_least)

    def load(self, size: int, device: str, store: Store) -> Pairs:
        """The pairs at the backbone's image size.

        Raises:
            UserError: an image cannot be read or is black, as safety filters of generators leave them.
        """
        import torch

        from cl_bench.benchmark.assets import Pairs

        listing = Listing(self.files, np.arange(len(self.files), dtype=np.int64), ("",))
        images = store.images("reference pairs", listing, size)
        kept: list[int] = images.targets.tolist()  # the others could not be read and were left out
        self._check_black(images)
        place = {row: i for i, row in enumerate(kept)}
        rows = {task: [place[r] for r in of if r in place] for task, of in self.rows.items()}
        for task, of in rows.items():
            must_be_enough(self.said, task, len(of), self.at_least)
        prompts = tuple(self.prompts[row] for row in kept)
        return Pairs(images, prompts, {task: torch.tensor(of) for task, of in rows.items()})

    def _check_black(self, images: Images) -> None:
        black = [i for i, pixels in enumerate(images.pixels.numpy()) if is_black(pixels)]
        if black:
            raise UserError(
                f"{self.said}: {len(black)} images are black, the first {images.called(black[0])}; a safety "
                "filter leaves such ones: take them and their rows out"
            )


def is_black(pixels: NDArray[np.uint8]) -> bool:
    """Whether an image, [C, H, H], shows nothing; one of many that do is told by a few pixels."""
    return not (pixels[:, ::16, ::16] > DARK).any() and not (pixels > DARK).any()


def must_be_enough(said: str, task: str, count: int, at_least: int) -> None:
    """Raise UserError where a task has too few pairs."""
    if count < at_least:
        raise UserError(
            f"{said} has {count} pairs for the task {task!r}; a step uses {at_least} at once"
        )
