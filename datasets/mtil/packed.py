"""Readers of the data sets in binary files: CIFAR-100, Flowers, MNIST and Stanford Cars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torchvision import datasets as tv
from torchvision.datasets.mnist import read_image_file, read_label_file

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil import damage, pickled_arrays
from cl_bench.datasets.mtil.damage import opened
from cl_bench.datasets.mtil.found import Found, Split, integers
from cl_bench.datasets.mtil.layout import names_in_files


def read_cifar(root: Path, split: Split) -> Found:
    """``cifar-100-python``, as pixels [N, 32, 32, 3].

    Without torchvision's class, which unpickles, and so would run, whatever the files hold.
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


class _Flowers(tv.Flowers102):  # type: ignore[misc]
    # Whether these are the published files is for `cl-bench data verify` to say.
    _file_dict = {part: (name, None) for part, (name, _) in tv.Flowers102._file_dict.items()}  # noqa: RUF012


def read_flowers(root: Path, split: Split) -> Found:
    """``flowers-102``; classes that a subset lacks are named all the same."""
    folder, key = root / "flowers-102", tv.Flowers102._splits_map[split]
    labels, file = folder / "imagelabels.mat", folder / "setid.mat"

    def labelled(path: Path) -> None:
        last, known = np.max(damage.mat(key)(path)), np.size(damage.mat("labels")(labels))
        if last > known:
            raise UserError(f"{path} names image {last}, but {labels} has {known} labels")

    data = opened(
        lambda: _Flowers(root, split),
        (labels, damage.mat("labels")),
        (file, damage.mat(key)),
        (file, labelled),
    )
    # The files bring numbers only.
    names = names_in_files("Flowers")
    return Found(data._image_files, integers(data._labels), names, file, lambda i: f"{key} {i + 1}")


class MNIST(tv.MNIST):  # type: ignore[misc]
    """From ``MNIST/raw`` alone; the folder is called after the class."""

    def _check_legacy_exist(self) -> bool:
        return False  # what older versions of torchvision left in MNIST/processed is not ours


def read_mnist(root: Path, split: Split) -> Found:
    """``MNIST``, as pixels [N, 28, 28]."""
    stem = {"train": "train", "test": "t10k"}[split]
    file = root / "MNIST" / "raw" / f"{stem}-images-idx3-ubyte"
    labels = file.with_name(f"{stem}-labels-idx1-ubyte")
    checks: list[tuple[Path, Callable[..., Any]]] = [
        (file, read_image_file),
        (labels, read_label_file),
    ]
    data = opened(lambda: MNIST(root, train=split == "train"), *checks)
    return Found(
        data.data.numpy(), integers(data.targets), tuple(data.classes), file,
        lambda i: f"image {i + 1}",
    )  # fmt: skip


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
    images = [Path(path) for path, _ in data._samples]
    targets = integers([target for _, target in data._samples])
    return Found(
        images, targets, tuple(data.classes), file, lambda i: f"annotation {i + 1}", names_from=meta
    )
