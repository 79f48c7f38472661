"""``data status`` sees what lies one folder off, says where it belongs, and its commands mend it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import cl_bench
from mtil_fixtures import copy_one, make_mtil

from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.mtil.readers import read_both
from cl_bench.datasets.mtil.status import status

NAMES = list(facts()["datasets"])


@pytest.fixture(scope="module")
def look_alikes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mtil")
    make_mtil(root)
    return root


def move(old: str, new: str) -> Callable[[Path], None]:
    """Move a file or folder; into itself, too."""

    def moved(root: Path) -> None:
        (root / old).rename(root / "in-between")
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / "in-between").rename(root / new)

    return moved


def each(*changes: Callable[[Path], None]) -> Callable[[Path], None]:
    def all_of_them(root: Path) -> None:
        for change in changes:
            change(root)

    return all_of_them


MISPLACED: list[tuple[str, str, Callable[[Path], None]]] = [
    ("EuroSAT", "EuroSAT/2750", move("eurosat", "EuroSAT")),
    ("EuroSAT", "2750", move("eurosat/2750", "2750")),
    ("EuroSAT", "eurosat", move("eurosat/2750", "eurosat")),
    ("EuroSAT", "EuroSAT_RGB", move("eurosat/2750", "EuroSAT_RGB")),
    ("EuroSAT", "eurosat/2750/2750", move("eurosat/2750", "eurosat/2750/2750")),
    ("EuroSAT", "eurosat/EuroSAT/2750", move("eurosat/2750", "eurosat/EuroSAT/2750")),
    ("Caltech101", "caltech-101/101_ObjectCategories", move("caltech101", "caltech-101")),
    ("Caltech101", "101_ObjectCategories", move("caltech101/101_ObjectCategories", "101_ObjectCategories")),
    ("Caltech101", "caltech101", move("caltech101/101_ObjectCategories", "caltech101")),
    ("Caltech101", "caltech101/caltech-101/101_ObjectCategories",
     move("caltech101/101_ObjectCategories", "caltech101/caltech-101/101_ObjectCategories")),
    ("Food", "food-101/food-101", move("food-101", "food-101/food-101")),
    ("Food", "food101", move("food-101", "food101")),
    ("DTD", "dtd", move("dtd/dtd", "dtd")),
    ("DTD", "dtd-r1.0.1/dtd", move("dtd", "dtd-r1.0.1")),
    ("OxfordPet", "pets/oxford-iiit-pet", move("oxford-iiit-pet", "pets/oxford-iiit-pet")),
    ("OxfordPet", "", each(move("oxford-iiit-pet/images", "images"),
                           move("oxford-iiit-pet/annotations", "annotations"))),
    ("Aircraft", "fgvc-aircraft-2013b", move("fgvc-aircraft-2013b/data", "fgvc-aircraft-2013b")),
    ("CIFAR100", "cifar100/cifar-100-python", move("cifar-100-python", "cifar100/cifar-100-python")),
    ("MNIST", "MNIST", move("MNIST/raw", "MNIST")),
    ("MNIST", "mnist/MNIST/raw", move("MNIST", "mnist/MNIST")),
    ("SUN397", "SUN397/SUN397", move("SUN397", "SUN397/SUN397")),
    ("Flowers", "flowers102", move("flowers-102", "flowers102")),
]  # fmt: skip
APART: list[tuple[str, str, Callable[[Path], None]]] = [
    ("StanfordCars", "cars_train holds another folder cars_train",
     each(move("stanford_cars/cars_train", "stanford_cars/cars_train/cars_train"),
          move("stanford_cars/cars_test", "stanford_cars/cars_test/cars_test"))),
    ("StanfordCars", "car_devkit/devkit belongs at",
     move("stanford_cars/devkit", "stanford_cars/car_devkit/devkit")),
    ("Flowers", "jpg holds another folder jpg", move("flowers-102/jpg", "flowers-102/jpg/jpg")),
    ("OxfordPet", "Images belongs at", move("oxford-iiit-pet/images", "oxford-iiit-pet/Images")),
    ("MNIST", r"train-images\.idx3-ubyte belongs at",
     move("MNIST/raw/train-images-idx3-ubyte", "MNIST/raw/train-images.idx3-ubyte")),
    ("DTD", "dtd/labels belongs at", move("dtd/dtd/labels", "dtd/labels")),
]  # fmt: skip


def mended(name: str, root: Path) -> None:
    """Run every command that the status names, and read the data set."""
    notes = status(name, root).notes
    commands = [note.partition("To mend it: ")[2] for note in notes if "To mend it: " in note]
    assert commands, notes
    for command in commands:
        subprocess.run(["sh", "-c", command], check=True)
    for listing in read_both(name, root):
        assert len(listing.targets)


@pytest.mark.parametrize(("name", "place", "change"), MISPLACED)
def test_a_data_set_elsewhere_is_found_and_the_command_mends_it(
    name: str, place: str, change: Callable[[Path], None], look_alikes: Path, tmp_path: Path
) -> None:
    root = tmp_path / "data sets"
    copy_one(name, look_alikes, root)
    sizes = [len(listing.targets) for listing in read_both(name, root)]
    change(root)
    state = status(name, root)
    assert state.state in ("missing", "wrong")
    assert any(
        f"{name} was found in {root / place}, but belongs in {root}" in n for n in state.notes
    )
    mended(name, root)
    assert [len(listing.targets) for listing in read_both(name, root)] == sizes


@pytest.mark.parametrize(("name", "words", "change"), APART)
def test_parts_elsewhere_are_found_and_the_commands_mend_them(
    name: str, words: str, change: Callable[[Path], None], look_alikes: Path, tmp_path: Path
) -> None:
    copy_one(name, look_alikes, tmp_path)
    change(tmp_path)
    state = status(name, tmp_path)
    assert any(re.search(words, note) for note in state.notes), state.notes
    mended(name, tmp_path)


def test_a_link_to_nothing_is_named(look_alikes: Path, tmp_path: Path) -> None:
    copy_one("Food", look_alikes, tmp_path)
    shutil.rmtree(tmp_path / "food-101" / "images")
    (tmp_path / "food-101" / "images").symlink_to("/nowhere/images")
    (tmp_path / "eurosat").symlink_to("/nowhere/eurosat")
    words = f"{tmp_path / 'food-101/images'} is a link to /nowhere/images, which is not there"
    assert words in status("Food", tmp_path).notes
    assert any(
        "eurosat is a link to /nowhere" in note for note in status("EuroSAT", tmp_path).notes
    )


@pytest.mark.parametrize("layout", ["flowers-102/jpg/{}", "flowers/train/{}", "dataset/{}"])
def test_flowers_by_class_are_named_as_what_they_are(layout: str, tmp_path: Path) -> None:
    for c in range(1, 103):
        folder = tmp_path / layout.format(c)
        folder.mkdir(parents=True)
        (folder / "image_00001.jpg").touch()
    state = status("Flowers", tmp_path)
    place = (tmp_path / layout.format(1)).parent
    assert any(
        n.startswith(f"{place} holds flowers sorted into class folders") for n in state.notes
    )
    assert any("`cl-bench data prepare Flowers`" in note for note in state.notes)


def test_what_is_in_its_place_gets_no_hint(look_alikes: Path, tmp_path: Path) -> None:
    for name in NAMES:
        assert not [n for n in status(name, look_alikes).notes if "found in" in n or "mend" in n]
        notes = status(name, tmp_path / "no root").notes
        assert len(notes) == 1 and notes[0].startswith("belongs at")


def test_a_search_stops_at_nothing_that_is_odd(look_alikes: Path, tmp_path: Path) -> None:
    """Links in a circle, names that are no text, folders without permission."""
    copy_one("EuroSAT", look_alikes, tmp_path)
    (tmp_path / "eurosat").rename(tmp_path / "x")
    (tmp_path / "x" / "circle").symlink_to(tmp_path)
    (tmp_path / os.fsdecode(b"\xff")).mkdir()
    (tmp_path / "closed").mkdir(mode=0)
    assert any(f"found in {tmp_path}/x/2750" in note for note in status("EuroSAT", tmp_path).notes)
    assert status("SUN397", tmp_path).state == "missing"


def test_the_command_prints_it(
    look_alikes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy_one("EuroSAT", look_alikes, tmp_path)
    (tmp_path / "eurosat").rename(tmp_path / "EuroSAT")
    assert cl_bench(monkeypatch, "data", "status", "EuroSAT", "--data-root", str(tmp_path)) == 1
    shown = capsys.readouterr().out
    assert (
        f"  EuroSAT was found in {tmp_path}/EuroSAT/2750, but belongs in {tmp_path}/eurosat/2750"
        in shown
    )
