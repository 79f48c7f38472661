"""Random resized crops of whole images, the training transform of ZSCL and MoE-Adapters."""

from __future__ import annotations

import math
import random

from PIL import Image

AREA = (0.9, 1.0)  # share of the image (ZSCL, released code)
ASPECT = (3 / 4, 4 / 3)  # torchvision's default
TRIES = 10  # of drawing a crop that fits, before the middle is taken (torchvision)


def random_resized_crop(image: Image.Image, size: int, seed: int) -> Image.Image:
    """Cut out 90-100 % of the area at an aspect of 3/4 to 4/3 and resize it, bicubic.

    The crop has the distribution of torchvision's RandomResizedCrop. It depends on ``seed`` alone, so
    an image gets the same crop in every thread.

    Args:
        image: of any size.
        size: side S of the result in pixels.
        seed: of this draw.
    """
    left, top, width, height = crop_box(*image.size, random.Random(seed))
    cropped = image.crop((left, top, left + width, top + height))
    return cropped.resize((size, size), Image.Resampling.BICUBIC)


def crop_box(width: int, height: int, draw: random.Random) -> tuple[int, int, int, int]:
    """Left, top, width and height of a random crop of an image of this size."""
    for _ in range(TRIES):
        area = width * height * draw.uniform(*AREA)
        aspect = math.exp(draw.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            return draw.randint(0, width - w), draw.randint(0, height - h), w, h
    aspect = min(max(width / height, ASPECT[0]), ASPECT[1])
    w, h = min(width, round(height * aspect)), min(height, round(width / aspect))
    return (width - w) // 2, (height - h) // 2, w, h
