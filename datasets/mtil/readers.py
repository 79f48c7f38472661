"""Readers of the eleven data sets: file lists, targets and class names from torchvision's classes.

Nothing is decoded, downloaded or written. Photographs that carry an EXIF orientation are listed like
any other: torchvision's loaders and the published code do not turn them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.mtil.drawn import held_out
from cl_bench.datasets.mtil.foldered import read_caltech, read_eurosat, read_sun397
from cl_bench.datasets.mtil.found import Found, Split, check
from cl_bench.datasets.mtil.layout import facts, missing_files
from cl_bench.datasets.mtil.listed import read_aircraft, read_dtd, read_food, read_pets
from cl_bench.datasets.mtil.names import for_prompts
from cl_bench.datasets.mtil.packed import read_cars, read_cifar, read_flowers, read_mnist

SPLIT: dict[str, Callable[[Path, Split], Found]] = {
    "Aircraft": read_aircraft,
    "CIFAR100": read_cifar,
    "DTD": read_dtd,
    "Flowers": read_flowers,
    "Food": read_food,
    "MNIST": read_mnist,
    "OxfordPet": read_pets,
    "StanfordCars": read_cars,
}
"""Data sets that come with splits of their own."""
WHOLE: dict[str, Callable[[Path], Found]] = {
    "Caltech101": read_caltech,
    "EuroSAT": read_eurosat,
    "SUN397": read_sun397,
}
"""Data sets that come whole; MTIL draws their splits."""


def read(dataset: str, root: Path, split: Split) -> Listing:
    """List one split of a data set.

    Data sets that hold fewer classes or images than the full ones are read as they are.

    Args:
        dataset: a name of ``facts.json``.
        root: the data root, under which the layouts of ``facts.json`` lie.
        split: the official one; drawn for Caltech101, EuroSAT and SUN397 (``drawn.py``).

    Raises:
        UserError: there is no such data set, or a file is missing, damaged or does not agree with
            another; names it.
    """
    if dataset in WHOLE:
        return _drawn(dataset, _found(dataset, root, split), split)
    return _listing(dataset, _found(dataset, root, split))


def read_both(dataset: str, root: Path) -> tuple[Listing, Listing]:
    """The training and the test split; a data set that comes whole is listed once.

    Raises:
        UserError: as ``read``.
    """
    if dataset in WHOLE:
        found = _found(dataset, root, "train")
        return _drawn(dataset, found, "train"), _drawn(dataset, found, "test")
    return read(dataset, root, "train"), read(dataset, root, "test")


def _found(dataset: str, root: Path, split: Split) -> Found:
    if dataset not in SPLIT | WHOLE:
        raise unknown("data set", dataset, facts()["datasets"])
    if missing := missing_files(root)[dataset]:
        raise UserError(
            f"{dataset} needs {root / missing[0]}, which is missing; `cl-bench data status` shows "
            "where every file belongs"
        )
    found = WHOLE[dataset](root) if dataset in WHOLE else SPLIT[dataset](root, split)
    check(found)
    return found


def _listing(dataset: str, found: Found) -> Listing:
    images = found.images
    return Listing(
        images if isinstance(images, np.ndarray) else tuple(images),
        found.targets,
        for_prompts(dataset, found.names),
    )


def _drawn(dataset: str, found: Found, split: Split) -> Listing:
    test = held_out(dataset, len(found.images))
    rows = test if split == "test" else np.setdiff1d(np.arange(len(found.images)), test)
    return _listing(dataset, found).subset(rows)
