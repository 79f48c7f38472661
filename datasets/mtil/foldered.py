"""Readers of the data sets that are nothing but class folders: Caltech101, EuroSAT and SUN397."""

from __future__ import annotations

import re
from pathlib import Path

from torchvision import datasets as tv

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil import damage
from cl_bench.datasets.mtil.damage import opened
from cl_bench.datasets.mtil.found import Found, empty_class, integers


def read_caltech(root: Path) -> Found:
    """All of ``caltech101``, class by class; ``BACKGROUND_Google`` is no class."""
    folder = root / "caltech101" / "101_ObjectCategories"
    _check_caltech(folder)
    data = opened(lambda: tv.Caltech101(root), (folder, Path.iterdir))
    images = [
        folder / data.categories[c] / f"image_{number:04d}.jpg"
        for c, number in zip(data.y, data.index, strict=True)
    ]
    return Found(
        images, integers(data.y), tuple(data.categories), folder, class_folder=folder.joinpath
    )


def _check_caltech(folder: Path) -> None:
    """As torchvision numbers the images of a class from 1 to however many files its folder holds."""
    if not (folder / "BACKGROUND_Google").is_dir():
        raise UserError(
            f"torchvision wants the folder {folder / 'BACKGROUND_Google'}: make an empty one"
        )
    for path in sorted(folder.iterdir()):
        if not path.is_dir():
            raise UserError(f"{path} is no class folder; remove it")
        if path.name == "BACKGROUND_Google":
            continue
        files = {file.name for file in path.iterdir()}
        if stray := sorted(name for name in files if not re.fullmatch(r"image_\d{4}\.jpg", name)):
            raise UserError(f"{path / stray[0]} is no image of the data set; remove it")
        for number in range(1, len(files) + 1):
            if f"image_{number:04d}.jpg" not in files:
                raise UserError(
                    f"{path / f'image_{number:04d}.jpg'} is missing, though the folder holds later "
                    "ones; unpack the archive again"
                )


def read_eurosat(root: Path) -> Found:
    """All of ``eurosat``, class by class."""
    folder = root / "eurosat" / "2750"

    def filled(path: Path) -> None:
        for one in sorted(p for p in path.iterdir() if p.is_dir()):
            if not any(tv.folder.is_image_file(str(p)) for p in one.rglob("*")):
                raise empty_class(one)

    data = opened(lambda: tv.EuroSAT(root), (folder, filled))
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

    def known_scenes(path: Path) -> None:
        known = {line.strip() for line in damage.text(file).splitlines()}
        for image in sorted(path.rglob("sun_*.jpg")):
            scene = f"/{image.parent.relative_to(path).as_posix()}"
            if scene not in known:
                raise UserError(f"{file} has no class {scene!r}, but there is {image}")

    data = opened(
        lambda: tv.SUN397(root),
        (file, damage.lines("`/<letter>/<class>`", "/[a-z]/.+")),
        (folder, known_scenes),
    )
    # torchvision lists the files as the file system does, which differs between machines.
    order = sorted(range(len(data)), key=lambda i: data._image_files[i].as_posix())
    return Found(
        [data._image_files[i] for i in order],
        integers([data._labels[i] for i in order]),
        tuple(data.classes),
        folder,
        names_from=file,
        class_folder=lambda name: folder / name[0] / name,
    )
