"""One image file: opened, brought to the backbone's size as the published code does."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torchvision.transforms import v2

from cl_bench.benchmark.errors import UserError

TRANSFORM = "RGB, short side to {size} (Pillow, bicubic), centre crop"  # part of a cache's key


class BrokenImageError(UserError):
    """A file that is no readable image."""


def open_whole(path: Path) -> Image.Image:
    """Decode a file into RGB, as torchvision's data sets do: not rotated by its EXIF tag.

    Raises:
        BrokenImageError: it cannot be read; names it.
    """
    try:
        with Image.open(path) as image:
            if "transparency" in image.info:  # Pillow warns of the direct way, which gives the same
                return image.convert("RGBA").convert("RGB")
            return image.convert("RGB")
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        # Pillow's own words repeat the path
        words = "it is no image" if isinstance(error, UnidentifiedImageError) else str(error)
        raise BrokenImageError(f"the image {path} cannot be read: {words}") from error


def decode(path: Path, size: int, *, native: bool = False) -> NDArray[np.uint8]:
    """Decode a file up to normalisation: the test-time transform of OpenAI's CLIP.

    Args:
        path: of the file.
        size: side S of the result in pixels.
        native: the files are S x S already and must be.

    Returns:
        uint8 [3, S, S].

    Raises:
        BrokenImageError: it cannot be read or is not of its native size; names it.
    """
    image = open_whole(path)
    if not native:
        image = _to_size(size)(image)
    elif image.size != (size, size):
        raise BrokenImageError(f"the image {path} is not {size} x {size} pixels as all others are")
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


@functools.cache
def _to_size(size: int) -> v2.Compose:
    bicubic = v2.InterpolationMode.BICUBIC
    return v2.Compose([v2.Resize(size, interpolation=bicubic), v2.CenterCrop(size)])
