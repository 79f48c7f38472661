"""What a reader finds: images not decoded yet, and their classes. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Listing:
    """One split of a data set before decoding.

    Attributes:
        images: image files, or native pixels, uint8 [N, H, W] or [N, H, W, 3].
        targets: int64 [N], indices into ``classnames``.
        classnames: in the order of their indices.
    """

    images: tuple[Path, ...] | NDArray[np.uint8]
    targets: NDArray[np.int64]
    classnames: tuple[str, ...]

    def subset(self, rows: NDArray[np.int64]) -> Listing:
        """Some of the images, by their indices."""
        images = self.images
        few = images[rows] if isinstance(images, np.ndarray) else tuple(images[i] for i in rows)
        return Listing(few, self.targets[rows], self.classnames)
