"""Readers of the data sets in binary files: CIFAR-100, Flowers, MNIST and Stanford Cars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torchvision import datasets as tv
from torchvision.datasets.mnist import read_image_file, read_label_file

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil import damage, pickled_arrays
from cl_bench.datasets.mtil.damage import opened
from cl_bench.datasets.mtil.found import Found, Split, integers
from cl_bench.datasets.mtil.layout import names_in_files
from cl_bench.datasets.mtil.torchvision_private import (
    image_files,
    labels,
    samples_of_cars,
    unchecked_flowers,
)


def read_cifar(root: Path, split: Split) -> Found:
    """``cifar-100-python``, as pixels [N, 32, 32, 3].

    Without torchvision's class: it unpickles the files, which would run any code that they hold.
    """
    folder = root / tv.CIFAR100.base_folder
    file, meta = folder / split, folder / tv.CIFAR100.meta["filename"]

    def load() -> tuple[NDArray[np.uint8], NDArray[np.int64], tuple[str, ...]]:
        entry, names = pickled_arrays.load(file), pickled_arrays.load(meta)
        pixels = entry["data"].reshape(-1, 3, 32, 32)
        return (
            np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)),
            integers(entry["fine_labels"]),
            tuple(names[tv.CIFAR100.meta["key"]]),
        )

    content = opened(load, (file, pickled_arrays.load), (meta, pickled_arrays.load))
    return Found(*content, file, lambda i: f"image {i + 1}", names_from=meta)


def read_flowers(root: Path, split: Split) -> Found:
    """``flowers-102``; classes that a subset lacks are named all the same."""
    folder, key = root / "flowers-102", {"train": "trnid", "test": "tstid"}[split]
    numbers, file = folder / "imagelabels.mat", folder / "setid.mat"

    def labelled(path: Path) -> None:
        last, known = np.max(damage.mat(key)(path)), np.size(damage.mat("labels")(numbers))
        if last > known:
            raise UserError(f"{path} names image {last}, but {numbers} has {known} labels")

    # Whether these are the published files is for `cl-bench data verify` to say.
    flowers = unchecked_flowers()
    data = opened(
        lambda: flowers(root, split),
        (numbers, damage.mat("labels")),
        (file, damage.mat(key)),
        (file, labelled),
    )
    # The files hold class numbers and no names.
    names = names_in_files("Flowers")
    return Found(image_files(data), labels(data), names, file, lambda i: f"{key} {i + 1}")


def read_mnist(root: Path, split: Split) -> Found:
    """``MNIST``, as pixels [N, 28, 28].

    From ``MNIST/raw`` alone, without torchvision's class: that prefers what its older versions left
    in ``MNIST/processed``.
    """
    stem = {"train": "train", "test": "t10k"}[split]
    file = root / "MNIST" / "raw" / f"{stem}-images-idx3-ubyte"
    digits = file.with_name(f"{stem}-labels-idx1-ubyte")
    pixels, targets = opened(
        lambda: (read_image_file(str(file)), read_label_file(str(digits))),
        (file, lambda path: read_image_file(str(path))),
        (digits, lambda path: read_label_file(str(path))),
    )
    return Found(
        pixels.numpy(), integers(targets), tuple(tv.MNIST.classes), file, lambda i: f"image {i + 1}"
    )


def read_cars(root: Path, split: Split) -> Found:
    """``stanford_cars``."""
    folder = root / "stanford_cars"
    meta = folder / "devkit" / "cars_meta.mat"
    file = {
        "train": folder / "devkit" / "cars_train_annos.mat",
        "test": folder / "cars_test_annos_withlabels.mat",
    }[split]
    data = opened(
        lambda: tv.StanfordCars(root, split),
        (file, damage.mat("annotations")),
        (meta, damage.mat("class_names")),
    )
    images, targets = samples_of_cars(data)
    return Found(
        images, targets, tuple(data.classes), file, lambda i: f"annotation {i + 1}", names_from=meta
    )
