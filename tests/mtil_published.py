"""Look-alikes that count as the published data sets: as small, and checked as those are."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from mtil_fixtures import make_mtil
from mtil_pictures import classnames

from cl_bench.datasets.mtil import layout
from cl_bench.datasets.mtil.archives import Archive
from cl_bench.datasets.mtil.layout import facts, names_in_files
from cl_bench.datasets.mtil.readers import read_both

CLASSES, TRAIN, TEST = 4, 3, 2
LISTS = {
    "Flowers": ("imagelabels.mat", "setid.mat"),
    "StanfordCars": ("cars_test_annos_withlabels.mat",),
}


def write_published(root: Path) -> None:
    """All eleven under ``root``."""
    make_mtil(root, train_per_class=TRAIN, test_per_class=TEST, classes=CLASSES)


def let_it_be_published(root: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the counts and class names of the look-alikes below ``root`` be the published ones.

    Args:
        root: written by ``write_published``.
        folder: gets the facts.
        monkeypatch: of the test.
    """
    known = facts()
    (folder / "classnames").mkdir(parents=True)
    for name, about in known["datasets"].items():
        names = names_in_files(name) if name == "MNIST" else classnames(name, CLASSES)
        file = folder / "classnames" / f"{name}.txt"
        file.write_text("".join(f"{n}\n" for n in names), "utf-8")
        train, test = read_both(name, root)
        about |= {"train": len(train.targets), "test": len(test.targets), "classes": len(names)}
        about.pop("class_names", None)
    (folder / "facts.json").write_text(json.dumps(known))
    monkeypatch.setattr(layout, "FOLDER", folder)


def parts_of(name: str, root: Path) -> tuple[Archive, ...]:
    """What a look-alike would be published as: an archive of its images, and its lists."""
    parts = [Archive(file=f"{name}.zip", md5="0" * 32)]
    into = layout.facts()["datasets"][name]["required"][0].split("/")[0]
    for file in LISTS.get(name, ()):
        md5 = hashlib.md5((root / into / file).read_bytes()).hexdigest()
        parts.append(Archive(file=file, md5=md5, into=into, lists=True))
    if name == "StanfordCars":
        parts.append(Archive(file="car_devkit.tgz", md5="0" * 32, into=into, lists=True))
    return tuple(parts)


def packed(name: str, root: Path, to: Path) -> Archive:
    """Write ``to``, an archive of a look-alike; returns how it is published."""
    top = layout.facts()["datasets"][name]["required"][0].split("/")[0]
    made = shutil.make_archive(str(to.with_suffix("")), "zip", root, top)
    return Archive(file=to.name, md5=hashlib.md5(Path(made).read_bytes()).hexdigest())
