"""From what a file holds to 8-bit RGB: one rule for every mode of Pillow; other modes are refused.

Pillow clips pixels of more than 8 bits. Here 16 bits keep their high byte, as Pillow itself does with
16-bit colour. Pixels whose range no standard defines are refused. ``docs/images.md`` says the same in words.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from PIL import Image

warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # such files are read rightly
BITS_PER_SAMPLE, PHOTOMETRIC, SAMPLE_FORMAT = 258, 262, 339  # tags of TIFF
UNSIGNED = frozenset({1, 4})  # sample formats: unsigned integers, undefined
SIXTEEN_BIT_FORMATS = frozenset({"PNG", "PPM", "TIFF", "JPEG2000"})
"""Whose grey values beyond 8 bits reach from 0 to the largest of their bits."""
FIX = "convert it to 8 or 16 bits"
Rule = Callable[[Image.Image], Image.Image]


def to_rgb(image: Image.Image) -> Image.Image:
    """Convert an opened file's first frame.

    Raises:
        ValueError: its kind of pixels is refused; says which and why. Pillow's own errors come from
            damaged files.
    """
    if image.format == "TIFF":
        _check_samples(image)
    if image.mode not in RULES:
        raise ValueError(f"pixels of mode {image.mode!r} have no rule; {FIX}")
    return RULES[image.mode](image)


def _check_samples(image: Image.Image) -> None:
    tags = image.tag_v2  # type: ignore[attr-defined]
    if not UNSIGNED.issuperset(tags.get(SAMPLE_FORMAT, (1,))):
        raise ValueError(
            f"its samples are signed or floating-point numbers, whose range nothing defines; {FIX}"
        )
    if image.mode.startswith("I;16") and tags.get(PHOTOMETRIC) != 1:
        raise ValueError(f"it is a 16-bit TIFF in which 0 is not black; {FIX} in which it is")


def _eight_bits(image: Image.Image) -> Image.Image:
    if "transparency" in image.info:  # Pillow warns of the direct way, which gives the same
        return image.convert("RGBA").convert("RGB")
    return image.convert("RGB")


def _high_byte(image: Image.Image) -> Image.Image:
    if image.format not in SIXTEEN_BIT_FORMATS or (image.format, image.mode) == ("TIFF", "I"):
        return _refused("whole numbers beyond 8 bits")(image)
    bits = image.tag_v2[BITS_PER_SAMPLE][0] if image.format == "TIFF" else 16  # type: ignore[attr-defined]
    grey = np.asarray(image).astype(np.int64) >> (bits - 8)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def _refused(what: str) -> Rule:
    def refuse(image: Image.Image) -> Image.Image:
        raise ValueError(
            f"its pixels are {what} (mode {image.mode!r} of {image.format}), whose range nothing "
            f"defines; {FIX}"
        )

    return refuse


RULES: dict[str, Rule] = {
    **dict.fromkeys(("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX"), _eight_bits),
    **dict.fromkeys(("CMYK", "YCbCr", "LAB", "HSV"), _eight_bits),
    **dict.fromkeys(("I", "I;16", "I;16B", "I;16L", "I;16N"), _high_byte),
    "F": _refused("floating-point numbers"),
    "La": _refused("grey values multiplied by their alpha"),
}
"""Every mode that a file can have in Pillow."""
