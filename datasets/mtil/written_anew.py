"""Signs that the images of a copy were written anew: another format, other sizes. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from cl_bench.benchmark.errors import UserError, in_one_line

LOOKED_AT = 200  # images, spread over all
SOME_BEYOND = 0.1  # of the boxes; a published box may end beyond its image


def check_as_published(files: Sequence[Path], side: int | None) -> None:
    """Look at some of the images without decoding them.

    Args:
        files: all of them.
        side: of the published images, where they are squares of one size.

    Raises:
        UserError: an image cannot be opened; most are no JPEG files; or they have another size than
            ``side``, or all the same size where the published ones differ.
    """
    some = files[:: max(1, len(files) // LOOKED_AT)]
    heads = [_head(file) for file in some]
    jpegs = sum(form == "JPEG" for form, _ in heads)
    if jpegs * 2 < len(heads):
        raise UserError(f"its images were written anew: {some[0]} is a {heads[0][0]} file")
    sizes = {size for _, size in heads}
    if side is not None and sizes != {(side, side)}:
        odd = next(iter(sizes - {(side, side)}))
        raise UserError(
            f"its images were scaled: one has {odd[0]} x {odd[1]} pixels, not {side} x {side}"
        )
    if side is None and len(sizes) == 1 and len(heads) > 1:
        width, height = next(iter(sizes))
        raise UserError(f"its images were scaled: all have {width} x {height} pixels")


def _head(file: Path) -> tuple[str | None, tuple[int, int]]:
    try:
        with Image.open(file) as image:
            return image.format, image.size
    except (OSError, Image.DecompressionBombError) as error:
        raise UserError(f"{file} cannot be read: {in_one_line(error)}") from error


def check_boxes(stanford_cars: Path) -> None:
    """Make sure that the cars' published boxes lie in their images, as in the published ones.

    Images that were scaled, or have the numbers of others, show in this.

    Args:
        stanford_cars: the folder of the data set.

    Raises:
        UserError: too many boxes are larger than their images.
    """
    from scipy.io import loadmat

    for lists, folder in (
        ("devkit/cars_train_annos.mat", "cars_train"),
        ("cars_test_annos_withlabels.mat", "cars_test"),
    ):
        boxes = np.atleast_1d(loadmat(stanford_cars / lists, squeeze_me=True)["annotations"])
        some = boxes[:: max(1, len(boxes) // LOOKED_AT)]
        sizes = [_head(stanford_cars / folder / str(box["fname"]))[1] for box in some]
        beyond = [
            box["fname"]
            for box, (width, height) in zip(some, sizes, strict=True)
            if box["bbox_x2"] > width or box["bbox_y2"] > height
        ]
        if len(beyond) > SOME_BEYOND * len(some):
            raise UserError(
                f"the boxes of {len(beyond)} of {len(some)} images in {folder} are larger than the images, "
                f"{beyond[0]} among them: they were scaled, or numbered anew"
            )
