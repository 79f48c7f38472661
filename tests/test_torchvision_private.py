"""One test for every private attribute of torchvision that the readers use, by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mtil_fixtures import make_mtil
from torchvision import datasets as tv

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil.readers import read
from cl_bench.datasets.mtil.torchvision_private import (
    image_files,
    images_of_pets,
    labels,
    samples_of_cars,
    unchecked_flowers,
)

OPEN: dict[str, tuple[type[Any], str]] = {
    "Aircraft": (tv.FGVCAircraft, "train"),
    "DTD": (tv.DTD, "train"),
    "Food": (tv.Food101, "train"),
    "Flowers": (tv.Flowers102, "train"),
    "OxfordPet": (tv.OxfordIIITPet, "trainval"),
    "StanfordCars": (tv.StanfordCars, "train"),
}
LISTED = ("Aircraft", "DTD", "Food", "Flowers")
ATTRIBUTES = [
    *((dataset, "_image_files") for dataset in LISTED),
    *((dataset, "_labels") for dataset in (*LISTED, "OxfordPet")),
    ("OxfordPet", "_images"),
    ("StanfordCars", "_samples"),
]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two training images of each of three classes."""
    root = tmp_path_factory.mktemp("mtil")
    make_mtil(root)
    return root


def opened(dataset: str, root: Path) -> Any:
    made, split = OPEN[dataset]
    return unchecked_flowers()(root, split) if dataset == "Flowers" else made(root, split)


@pytest.mark.parametrize("dataset", LISTED)
def test_image_files(dataset: str, root: Path) -> None:
    files = image_files(opened(dataset, root))
    assert len(set(files)) == 6 and all(file.is_file() for file in files)


def test_images(root: Path) -> None:
    files = images_of_pets(opened("OxfordPet", root))
    assert len(set(files)) == 6 and all(file.is_file() for file in files)


@pytest.mark.parametrize("dataset", [*LISTED, "OxfordPet"])
def test_labels(dataset: str, root: Path) -> None:
    found = labels(opened(dataset, root))
    assert found.dtype == np.int64
    values, counts = np.unique(found, return_counts=True)
    assert counts.tolist() == [2, 2, 2]
    assert dataset == "OxfordPet" or values.tolist() == [0, 1, 2]


def test_samples(root: Path) -> None:
    files, targets = samples_of_cars(opened("StanfordCars", root))
    assert len(set(files)) == 6 and all(file.is_file() for file in files)
    assert np.bincount(targets).tolist() == [2, 2, 2]


def test_file_dict(root: Path) -> None:
    """With its checksums a look-alike is refused; without, it is read."""
    with pytest.raises(RuntimeError, match="not found or corrupted"):
        tv.Flowers102(root, "train")
    assert len(unchecked_flowers()(root, "train")) == 6
    assert all(md5 for _, md5 in tv.Flowers102._file_dict.values()), "torchvision's stays as it is"


def without(attribute: str, made: type[Any]) -> Callable[..., None]:
    """The class's ``__init__``, in a torchvision that has renamed the attribute."""
    begin = made.__init__

    def initialise(self: Any, *arguments: Any, **options: Any) -> None:
        begin(self, *arguments, **options)
        self.renamed = self.__dict__.pop(attribute)

    return initialise


@pytest.mark.parametrize(("dataset", "attribute"), ATTRIBUTES)
def test_an_attribute_that_is_gone_is_named(
    dataset: str, attribute: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = OPEN[dataset][0]
    assert len(read(dataset, root, "train").images) == 6
    monkeypatch.setattr(made, "__init__", without(attribute, made))
    words = (
        rf"^torchvision \S+ has changed {made.__name__}\.{attribute}, which cl-bench reads; inst"
    )
    with pytest.raises(UserError, match=words):
        read(dataset, root, "train")


def test_a_file_dict_that_is_gone_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(tv.Flowers102, "_file_dict")
    with pytest.raises(
        UserError, match=r"has changed Flowers102\._file_dict, which cl-bench reads"
    ):
        read("Flowers", root, "train")


@pytest.mark.parametrize("samples", [[("only one",)], [("file", "no number")], 3])
def test_an_attribute_that_holds_something_else_is_named(samples: Any) -> None:
    class StanfordCars:
        _samples = samples

    with pytest.raises(UserError, match=r"has changed StanfordCars\._samples"):
        samples_of_cars(StanfordCars())


def test_nothing_else_reads_private_attributes_of_torchvision() -> None:
    folder = Path(__file__).parents[1] / "datasets" / "mtil"
    names = {name for _, name in ATTRIBUTES} | {"_file_dict", "_splits_map", "_check_legacy_exist"}
    for file in folder.glob("*.py"):
        if file.name != "torchvision_private.py":
            assert not [name for name in names if f".{name}" in file.read_text()], file
