"""Copies of look-alikes in the layouts that people hold: class folders, divided folders, Parquet files."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cl_bench.datasets.mtil.layout import names_in_files
from cl_bench.datasets.mtil.readers import read_both

Image = tuple[Path, int, str]
"""Its file, its class, and the published split."""


def images_of(name: str, root: Path) -> list[Image]:
    """Every image of a look-alike that has a split, in the readers' order."""
    found: list[Image] = []
    for listing, part in zip(read_both(name, root), ("train", "test"), strict=True):
        assert isinstance(listing.images, tuple)
        found += [
            (f, c, part) for f, c in zip(listing.images, listing.targets.tolist(), strict=True)
        ]
    return found


def by_name(name: str) -> Callable[[int], str]:
    """How Kaggle's copies call class folders: as the class, with no ``/``."""
    return lambda c: names_in_files(name)[c].replace("/", "-")


def write_class_folders(
    images: Sequence[Image], to: Path, called: Callable[[int], str], divided: bool = True
) -> Path:
    """Class folders, below ``train`` and ``test`` where ``divided``."""
    for file, c, part in images:
        target = to / (part if divided else "") / called(c) / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, target)
    return to


def write_lists(name: str, root: Path, to: Path) -> None:
    """The published lists of a look-alike, beside a copy."""
    to.mkdir(parents=True, exist_ok=True)
    top = root / {"Flowers": "flowers-102", "StanfordCars": "stanford_cars"}[name]
    for file in sorted(top.rglob("*.mat")):
        shutil.copy(file, to)


def write_parquet(
    images: Sequence[Image],
    to: Path,
    names: Sequence[str],
    *,
    label: Callable[[int], Any] = int,
    path: Callable[[Path], str | None] = lambda file: file.name,
    features: bool = True,
) -> Path:
    """``data/train-*.parquet`` and ``data/test-*.parquet``, as Hugging Face writes them."""
    (to / "data").mkdir(parents=True, exist_ok=True)
    about = {"info": {"features": {"label": {"names": list(names), "_type": "ClassLabel"}}}}
    for part in ("train", "test"):
        mine = [(file, c) for file, c, of in images if of == part]
        table = pa.table(
            {
                "image": [{"bytes": f.read_bytes(), "path": path(f)} for f, _ in mine],
                "label": [label(c) for _, c in mine],
            }
        )
        if features:
            table = table.replace_schema_metadata({"huggingface": json.dumps(about)})
        pq.write_table(table, to / "data" / f"{part}-00000-of-00001.parquet")
    return to
