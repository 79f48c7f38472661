"""A split of a data set as its files describe it, before any image is decoded. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Listing:
    """One split of a data set before decoding."""

    images: tuple[Path, ...] | NDArray[np.uint8]
    """Image files, or native pixels [N, H, W] / [N, H, W, 3]."""
    targets: NDArray[np.int64]
    """[N], indices into ``classnames``."""
    classnames: tuple[str, ...]
    """What prompts call the classes."""
