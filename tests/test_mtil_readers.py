"""MTIL's readers list what torchvision's own classes yield."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mtil_fixtures import copy_one, make_mtil
from mtil_pictures import ODD_NAME, classnames
from numpy.typing import NDArray
from PIL import Image
from torchvision import datasets as tv

from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.mtil.drawn import by_rule
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.mtil.names import check_classnames
from cl_bench.datasets.mtil.readers import WHOLE, read
from cl_bench.datasets.mtil.suites import mtil_suite

FACTS = facts()["datasets"]
OPEN: dict[str, Callable[[Path, str], Any]] = {
    "Aircraft": tv.FGVCAircraft,
    "Caltech101": lambda root, _: tv.Caltech101(root),
    "CIFAR100": lambda root, split: tv.CIFAR100(root, split == "train"),
    "DTD": tv.DTD,
    "EuroSAT": lambda root, _: tv.EuroSAT(root),
    "Flowers": tv.Flowers102,
    "Food": tv.Food101,
    "MNIST": lambda root, split: tv.MNIST(root, split == "train"),
    "OxfordPet": lambda root, split: tv.OxfordIIITPet(
        root, {"train": "trainval", "test": "test"}[split]
    ),
    "StanfordCars": tv.StanfordCars,
    "SUN397": lambda root, _: tv.SUN397(root),
}
IN_PROMPTS = {
    "Faces": "off-center face",
    "crocodile_head": "head of a  crocodile",
    "AnnualCrop": "annual crop land",
    "Forest": "forest",
    "HerbaceousVegetation": "brushland or shrubland",
    ODD_NAME: "crème brûlée d'été",
}


@pytest.fixture(scope="module")
def look_alikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mtil")
    make_mtil(root)
    return root


def pixels(image: Path | NDArray[np.uint8]) -> NDArray[np.uint8]:
    if isinstance(image, np.ndarray):
        return image
    with Image.open(image) as opened:
        return np.asarray(opened.convert("RGB"))


def theirs(dataset: str, root: Path, split: str) -> list[tuple[bytes, str]]:
    """What torchvision's own class yields: decoded pixels and class names."""
    data = OPEN[dataset](root, split)
    names = getattr(data, "categories", None) or data.classes
    items = list(range(len(data)))
    if dataset == "OxfordPet":  # whose class numbers a subset leaves gaps in
        names = dict(zip(sorted(set(data._labels)), names, strict=True))
    if dataset == "SUN397":
        items.sort(key=lambda i: str(data._image_files[i]))
    if dataset in WHOLE:
        test = by_rule(len(items))
        items = [items[i] for i in range(len(items)) if (i in test) == (split == "test")]
    pairs = []
    for i in items:
        image, target = data[i]
        with image:
            shown = image if dataset == "MNIST" else image.convert("RGB")
            name = names[target]
            pairs.append(
                (np.asarray(shown).tobytes(), IN_PROMPTS.get(name, name.replace("_", " ")))
            )
    return pairs


@pytest.mark.filterwarnings("ignore:Palette images with Transparency")  # Pillow's advice
@pytest.mark.filterwarnings("ignore:numpy.core")  # as torchvision unpickles CIFAR-100
@pytest.mark.filterwarnings("ignore:.*align should be passed")
@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize("dataset", FACTS)
def test_a_listing_is_what_torchvision_yields_item_by_item(
    dataset: str, split: Any, look_alikes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (tv.cifar, tv.flowers102):  # their checksums are those of the full sets
        monkeypatch.setattr(module, "check_integrity", lambda path, md5=None: Path(path).is_file())
    listing = read(dataset, look_alikes, split)
    ours = [
        (pixels(image).tobytes(), listing.classnames[target])
        for image, target in zip(listing.images, listing.targets, strict=True)
    ]
    assert ours == theirs(dataset, look_alikes, split)
    assert listing.targets.dtype == np.int64
    assert len({content for content, _ in ours}) == len(ours), "the check can tell images apart"


@pytest.mark.parametrize("dataset", FACTS)
def test_counts_and_classes(dataset: str, tmp_path: Path) -> None:
    make_mtil(tmp_path, train_per_class=4, test_per_class=2, classes=5, seed=1)
    train, test = read(dataset, tmp_path, "train"), read(dataset, tmp_path, "test")
    if dataset in WHOLE:
        assert (len(train.images), len(test.images)) == (24, 6)
        assert np.bincount([*train.targets, *test.targets]).tolist() == [6] * 5
    else:
        assert np.bincount(train.targets).tolist() == [4] * 5
        assert np.bincount(test.targets).tolist() == [2] * 5
    assert train.classnames == test.classnames
    named_elsewhere = dataset in ("Flowers", "MNIST")  # and so complete whatever the files hold
    assert len(train.classnames) == (FACTS[dataset]["classes"] if named_elsewhere else 5)


def test_small_native_images_come_as_pixels(look_alikes: Path) -> None:
    shapes = {d: getattr(read(d, look_alikes, "train").images, "shape", None) for d in FACTS}
    assert {d: shape for d, shape in shapes.items() if shape} == {
        "CIFAR100": (6, 32, 32, 3),
        "MNIST": (6, 28, 28),
    }


def test_the_look_alikes_hold_what_the_real_sets_hold(look_alikes: Path) -> None:
    def first(dataset: str) -> Image.Image:
        both = [
            read(dataset, look_alikes, "train").images,
            read(dataset, look_alikes, "test").images,
        ]
        return Image.open(next(image for part in both for image in part if kind(image)))

    def kind(path: Path) -> bool:
        with Image.open(path) as image:
            return image.mode != "RGB" or 0x0112 in image.getexif() or image.width >= 500

    with first("Caltech101") as grey, first("SUN397") as cmyk, first("OxfordPet") as palette:
        assert (grey.mode, cmyk.mode, palette.mode) == ("L", "CMYK", "P")
        assert palette.format == "PNG" and "transparency" in palette.info
        assert Path(str(palette.filename)).suffix == ".jpg"
    with first("Food") as turned, first("Aircraft") as large:
        assert turned.getexif()[0x0112] == 6 and large.width == 500


def test_every_class_of_the_full_sets_is_called_as_the_suite_calls_it(tmp_path: Path) -> None:
    make_mtil(tmp_path, classes=None)
    total = 0
    for task in mtil_suite().tasks:
        for split in ("train", "test"):
            listing = read(task.name, tmp_path, split)  # type: ignore[arg-type]
            assert listing.classnames == task.classnames
            assert check_classnames(task.name, listing) == []
        total += len(task.classnames)
        assert len(set(task.classnames)) == FACTS[task.name]["classes"]
        assert not any("_" in name or name != name.strip() for name in task.classnames)
    assert total == 1201


def test_some_names_of_the_full_sets() -> None:
    names = {task.name: task.classnames for task in mtil_suite().tasks}
    for dataset, place, name in (
        ("Aircraft", 72, "F-16A/B"), ("CIFAR100", 41, "lawn mower"), ("DTD", 30, "polka-dotted"),
        ("Food", 27, "creme brulee"), ("MNIST", 7, "7 - seven"), ("OxfordPet", 33, "Sphynx"),
        ("StanfordCars", 173, "Ram C/V Cargo Van Minivan 2012"), ("SUN397", 9, "apse/indoor"),
        ("Flowers", 59, "pink-yellow dahlia"), ("Caltech101", 19, "side of a car"),
        ("EuroSAT", 9, "lake or sea"),
    ):  # fmt: skip
        assert names[dataset][place] == name


def renamed(names: tuple[str, ...]) -> Listing:
    return Listing(np.zeros((1, 28, 28), np.uint8), np.zeros(1, np.int64), names)


def test_class_names_that_differ_are_told_in_words() -> None:
    digits = tuple(mtil_suite().task("MNIST").classnames)
    assert check_classnames("MNIST", renamed(digits)) == []
    assert check_classnames("MNIST", renamed(digits[:8])) == [
        "2 of 10 classes missing: 8 - eight, 9 - nine"
    ]
    assert check_classnames("MNIST", renamed((*digits[:9], "9 - nin", "x"))) == [
        "1 of 10 classes missing: 9 - nine",
        "2 classes not expected: '9 - nin' (in the place of '9 - nine'?), 'x'",
    ]
    assert check_classnames("MNIST", renamed((digits[1], digits[0], *digits[2:]))) == [
        "classes in another order: class 0 is '1 - one', expected '0 - zero'"
    ]


def test_mnist_is_read_from_its_raw_files(look_alikes: Path, tmp_path: Path) -> None:
    copy_one("MNIST", look_alikes, tmp_path)
    old = tmp_path / "MNIST" / "processed"
    old.mkdir()
    for name in ("training.pt", "test.pt"):
        torch.save((torch.zeros(1, 28, 28, dtype=torch.uint8), torch.zeros(1)), old / name)
    assert len(read("MNIST", tmp_path, "train").images) == 6


def test_look_alikes_are_drawn_by_the_seed(tmp_path: Path) -> None:
    contents = []
    for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
        make_mtil(tmp_path / folder, seed=seed, classes=2)
        contents.append({
            str(p.relative_to(tmp_path / folder)): p.read_bytes()
            for p in sorted((tmp_path / folder).rglob("*.jpg"))
        })  # fmt: skip
    assert contents[0] == contents[1] != contents[2]
    assert classnames("SUN397", 5) == ["abbey", "airplane_cabin", "airport_terminal", "apse/indoor",
                                       "wine_cellar/barrel_storage"]  # fmt: skip
