"""Recall at k of image-text retrieval, computed from ranks. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.matrix import accuracy

RECALL_AT = (1, 5, 10)
WAYS = {"image_to_text": "image to text", "text_to_image": "text to image"}

Recalls = Mapping[str, float]  # in per cent by the names of ``recall_name``


@dataclass(frozen=True)
class Ranks:
    """Where what belongs together stands among all, from 1 on; behind all that has the same score.

    Attributes:
        image_to_text: of every image the first of its captions among all captions, uint32 [N].
        text_to_image: of every caption its image among all images, uint32 [M].
    """

    image_to_text: NDArray[np.uint32]
    text_to_image: NDArray[np.uint32]

    def recalls(self) -> dict[str, float]:
        """Of all ways and all k, in per cent."""
        ranks = {way: getattr(self, way) for way in WAYS}
        return {
            recall_name(way, k): accuracy(of <= k) for way, of in ranks.items() for k in RECALL_AT
        }

    def may_be_of(self, pictures: NDArray[np.uint32]) -> bool:
        """Whether there can be such ranks among these.

        Args:
            pictures: of every caption its image, [M].
        """
        captions, images = len(pictures), len(self.image_to_text)
        if self.text_to_image.shape != (captions,) or int(pictures.max(initial=0)) >= images:
            return False
        of_images = np.bincount(pictures, minlength=images)  # captions of each
        return (
            bool((of_images > 0).all())
            and _within(self.image_to_text, 1 + captions - of_images)
            and _within(self.text_to_image, images)
        )


def _within(ranks: NDArray[np.uint32], most: NDArray[np.int64] | int) -> bool:
    """Whether ranks are from 1 to ``most``."""
    return bool(((ranks >= 1) & (ranks <= most)).all())


def recall_name(way: str, k: int) -> str:
    """What recall at k is called in a record: ``image_to_text@1``."""
    return f"{way}@{k}"


def at_first(recalls: Recalls) -> float:
    """The mean of recall at 1 both ways: the one number that stands for a set."""
    return fmean(recalls[recall_name(way, RECALL_AT[0])] for way in WAYS)


def as_arrays(ranks: Mapping[str, Ranks]) -> dict[str, NDArray[np.uint32]]:
    """The ranks of every set as they are kept: ``SET/WAY`` -> ranks."""
    return {f"{name}/{way}": getattr(of, way) for name, of in ranks.items() for way in WAYS}


def of_arrays(arrays: Mapping[str, NDArray[np.uint32]], name: str) -> Ranks:
    """Undo ``as_arrays`` for one set.

    Raises:
        KeyError: it is not among them.
    """
    return Ranks(**{way: arrays[f"{name}/{way}"] for way in WAYS})
