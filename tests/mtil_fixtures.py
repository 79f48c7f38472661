"""Small look-alikes of MTIL's eleven data sets: the real layouts and list formats, drawn pictures.

Among them what the real sets hold besides plain JPEGs: grey-scale, CMYK and EXIF-rotated photographs,
palette PNGs with transparency called .jpg, folders in folders, images of the official validation
splits (which MTIL does not use), and a class with a space, an apostrophe and accents in its name.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
from mtil_pictures import Maker, classnames
from mtil_writers import WRITERS

from cl_bench.datasets.mtil.layout import facts


def make_mtil(
    root: Path,
    *,
    train_per_class: int = 2,
    test_per_class: int = 1,
    classes: int | None = 3,
    seed: int = 0,
) -> None:
    """Write all eleven under ``root``.

    Args:
        root: the data root.
        train_per_class: training images of every class. Sets without official splits get as many
            images in all, and are split 80/20 by whoever reads them.
        test_per_class: test images of every class.
        classes: of every data set; two or more. None: the classes of the full sets, with one
            training and one test image each.
        seed: decides what the pictures show.
    """
    if classes is None:
        train_per_class = test_per_class = 1
    for i, (dataset, write) in enumerate(WRITERS.items()):
        maker = Maker(
            classnames(dataset, classes),
            train_per_class,
            test_per_class,
            np.random.default_rng([seed, i]),
        )
        write(root, maker)


def copy_one(dataset: str, root: Path, to: Path) -> None:
    """Copy one data set of ``root``."""
    folder = facts()["datasets"][dataset]["required"][0].split("/")[0]
    shutil.copytree(root / folder, to / folder)
