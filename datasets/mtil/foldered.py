"""Readers of the data sets that are nothing but class folders: Caltech101, EuroSAT and SUN397.

They list the same images in the same order as torchvision's classes do, but nothing hidden: torchvision
takes hidden folders for classes, and what lies in them for images.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from torchvision import datasets as tv

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images.visible import files_below, visible
from cl_bench.datasets.mtil import damage
from cl_bench.datasets.mtil.damage import opened
from cl_bench.datasets.mtil.found import Found, empty_class, integers

BACKGROUND = "BACKGROUND_Google"


def read_caltech(root: Path) -> Found:
    """All of ``caltech101``, class by class; ``BACKGROUND_Google`` is no class."""
    folder = root / "caltech101" / "101_ObjectCategories"
    classes = opened(lambda: visible(folder), (folder, Path.iterdir))
    if stray := [path for path in classes if not path.is_dir()]:
        raise UserError(f"{stray[0]} is no class folder; remove it")
    classes = [path for path in classes if path.name != BACKGROUND]
    per_class = [_numbered_images(path) for path in classes]
    targets = np.repeat(np.arange(len(classes)), [len(images) for images in per_class])
    return Found(
        [image for images in per_class for image in images],
        integers(targets),
        tuple(path.name for path in classes),
        folder,
        class_folder=folder.joinpath,
    )


def _numbered_images(folder: Path) -> list[Path]:
    """The images of a Caltech class, which are numbered from 1 without a gap."""
    images = visible(folder)
    for number, image in enumerate(images, start=1):
        if not re.fullmatch(r"image_\d{4}\.jpg", image.name):
            raise UserError(f"{image} is no image of the data set; remove it")
        expected = folder / f"image_{number:04d}.jpg"
        if image != expected:
            raise UserError(
                f"{expected} is missing, though the folder holds later ones; unpack the archive again"
            )
    return images


class _VisibleFolders(tv.ImageFolder):  # type: ignore[misc]
    def find_classes(self, directory: str) -> tuple[list[str], dict[str, int]]:
        """The visible folders in order."""
        names = [path.name for path in visible(Path(directory)) if path.is_dir()]
        return names, {name: i for i, name in enumerate(names)}


def read_eurosat(root: Path) -> Found:
    """All of ``eurosat``, class by class."""
    folder = root / "eurosat" / "2750"

    def filled(path: Path) -> None:
        for one in (p for p in visible(path) if p.is_dir()):
            if not any(tv.folder.is_image_file(str(p)) for p in files_below(one)):
                raise empty_class(one)

    def load() -> tv.ImageFolder:
        shown = {str(path) for path in files_below(folder)}
        return _VisibleFolders(
            str(folder), is_valid_file=lambda p: p in shown and tv.folder.is_image_file(p)
        )

    data = opened(load, (folder, filled))
    images = [Path(path) for path, _ in data.samples]
    return Found(
        images,
        integers(data.targets),
        tuple(data.classes),
        folder,
        class_folder=folder.joinpath,
    )


def read_sun397(root: Path) -> Found:
    """All of ``SUN397``, ordered by path."""
    folder = root / "SUN397"
    file = folder / "ClassName.txt"
    form = damage.lines("`/<letter>/<class>`", "/[a-z]/.+")
    scenes = opened(lambda: damage.text(file).splitlines(), (file, damage.text))
    form(file)
    number = {scene.strip(): c for c, scene in enumerate(scenes)}
    images, targets, start = [], [], len(str(folder))
    for image in files_below(folder):
        if image.name.startswith("sun_") and image.suffix == ".jpg":
            scene = str(image.parent)[start:]
            if scene not in number:
                raise UserError(f"{file} has no class {scene!r}, but there is {image}")
            images.append(image)
            targets.append(number[scene])
    # torchvision lists the files as the file system does, which differs between machines.
    order = sorted(range(len(images)), key=lambda i: images[i].as_posix())
    return Found(
        [images[i] for i in order],
        integers([targets[i] for i in order]),
        tuple(scene.strip()[3:] for scene in scenes),
        folder,
        names_from=file,
        class_folder=lambda name: folder / name[0] / name,
    )
