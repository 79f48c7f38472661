"""Readers of the data sets whose lists are text: Aircraft, DTD, Food-101 and Oxford pets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torchvision import datasets as tv

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil import damage
from cl_bench.datasets.mtil.damage import opened
from cl_bench.datasets.mtil.found import Found, Split
from cl_bench.datasets.mtil.torchvision_private import image_files, images_of_pets, labels

OTHER: dict[Split, Split] = {"train": "test", "test": "train"}


def read_aircraft(root: Path, split: Split) -> Found:
    """``fgvc-aircraft-2013b``, by variant."""
    folder = root / "fgvc-aircraft-2013b" / "data"
    variants, file = folder / "variants.txt", folder / f"images_variant_{split}.txt"

    def known_variants(path: Path) -> None:
        known = damage.text(variants).splitlines()
        for i, line in enumerate(damage.text(path).splitlines(), 1):
            name = line.strip().split(" ", 1)[1]
            if name not in known:
                raise UserError(f"{path}, line {i}: {variants} has no class {name!r}")

    data = opened(
        lambda: tv.FGVCAircraft(root, split),
        (variants, damage.text),
        (file, damage.lines("`<image> <variant>`", r"\S+ .+")),
        (file, known_variants),
    )
    images = image_files(data)
    return Found(images, labels(data), tuple(data.classes), file, names_from=variants)


def read_dtd(root: Path, split: Split) -> Found:
    """``dtd``, partition 1."""
    lists = root / "dtd" / "dtd" / "labels"

    def load(part: Split) -> tuple[Any, Path]:
        file = lists / f"{part}1.txt"
        form = damage.lines("`<class>/<image>`", "[^/]+/[^/]+")
        return opened(lambda: tv.DTD(root, part, partition=1), (file, form)), file

    (data, file), (other, other_file) = load(split), load(OTHER[split])
    _agree(data.classes, other.classes, file, other_file)
    return Found(image_files(data), labels(data), tuple(data.classes), file)


def read_food(root: Path, split: Split) -> Found:
    """``food-101``."""
    meta = root / "food-101" / "meta"
    file, other = meta / f"{split}.json", meta / f"{OTHER[split]}.json"
    data = opened(lambda: tv.Food101(root, split), (file, damage.image_lists))
    others = opened(lambda: json.loads(other.read_text()), (other, damage.image_lists))
    _agree(data.classes, list(others), file, other)
    targets = labels(data)
    return Found(
        image_files(data), targets, tuple(data.classes), file,
        lambda i: f"class {data.classes[targets[i]]}",
    )  # fmt: skip


def read_pets(root: Path, split: Split) -> Found:
    """``oxford-iiit-pet``; the training split is the official trainval."""
    lists = root / "oxford-iiit-pet" / "annotations"

    def load(part: Split) -> tuple[Any, Path]:
        name = {"train": "trainval", "test": "test"}[part]
        file = lists / f"{name}.txt"
        form = damage.lines("`<image> <class> <species> <breed>`", r"\S+ \d+ \d+ \d+")
        return opened(lambda: tv.OxfordIIITPet(root, name), (file, form)), file

    (data, file), (other, other_file) = load(split), load(OTHER[split])
    _check_breeds(data, file)
    _agree(data.classes, other.classes, file, other_file)
    # A subset keeps the class numbers of the full set, so that some are missing: number them anew.
    _, targets = np.unique(labels(data), return_inverse=True)
    return Found(images_of_pets(data), targets.astype(np.int64), tuple(data.classes), file)


def _check_breeds(data: Any, file: Path) -> None:
    """Compare names: torchvision takes a breed's name from its images' names, so those must agree."""
    breeds: dict[int, str] = {}
    for i, (image, label) in enumerate(zip(images_of_pets(data), labels(data), strict=True), 1):
        breed = image.stem.rsplit("_", 1)[0]
        if breeds.setdefault(label, breed) != breed:
            raise UserError(
                f"{file}, line {i}: class {label + 1} is {breed!r} here and {breeds[label]!r} above"
            )


def _agree(names: Sequence[str], others: Sequence[str], file: Path, other: Path) -> None:
    """Each split numbers the classes that its own list names, so both lists must name the same ones."""
    if odd := sorted(set(names) ^ set(others)):
        raise UserError(
            f"only one of {file} and {other} has the class {odd[0]!r}; fetch both again"
        )
