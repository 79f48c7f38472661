"""One image file: opened, brought to the backbone's size as the published code does."""

from __future__ import annotations

import functools
import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torchvision.transforms import v2

from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.datasets.images.pixel_rules import to_rgb

TRANSFORM = "RGB, short side to {size} (Pillow, bicubic), centre crop"  # part of a cache's key


class BrokenImageError(UserError):
    """A file that is no readable image."""


def open_original(path: Path) -> Image.Image:
    """Decode a file's first frame into RGB, as torchvision's data sets do (``pixel_rules.py``).

    It is not rotated by its EXIF tag. Files beyond Pillow's limit, about 179 million pixels, are
    refused; half of it, beyond which Pillow warns, is no limit here.

    Raises:
        BrokenImageError: it cannot be read or its kind of pixels is refused; names it.
    """
    try:
        with Image.open(path) as image:
            return to_rgb(image)
    except UnidentifiedImageError as error:
        raise _broken(path, "it is no image") from error  # Pillow's own words repeat the path
    except Image.DecompressionBombError as error:
        words = (
            f"it has more pixels than the {2 * (Image.MAX_IMAGE_PIXELS or 0):,} that Pillow reads"
        )
        raise _broken(path, f"{words}; make it smaller") from error
    except Exception as error:  # damaged files raise a dozen kinds
        raise _broken(path, in_one_line(error)) from error


def _broken(path: Path, words: str) -> BrokenImageError:
    return BrokenImageError(f"the image {path} cannot be read: {words}")


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
    return fitted(open_original(path), path, size, native=native)


def fitted(image: Image.Image, path: Path, size: int, *, native: bool) -> NDArray[np.uint8]:
    """What ``decode`` makes of the opened file; arguments as there."""
    if not native:
        _check_shape(path, image, size)
        image = _to_size(size)(image)
    elif image.size != (size, size):
        raise BrokenImageError(f"the image {path} is not {size} x {size} pixels as all others are")
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def _check_shape(path: Path, image: Image.Image, size: int) -> None:
    """Refuse what would not fit into memory once its short side has its size."""
    short, long = sorted(image.size)
    if size * (size * long // short) > 2 * (Image.MAX_IMAGE_PIXELS or math.inf):
        raise _broken(
            path,
            f"{image.width} x {image.height} pixels are too long and narrow: with a short side of "
            f"{size}, its long side would be {size * long // short:,}; cut it",
        )


@functools.cache
def _to_size(size: int) -> v2.Compose:
    bicubic = v2.InterpolationMode.BICUBIC
    return v2.Compose([v2.Resize(size, interpolation=bicubic), v2.CenterCrop(size)])
