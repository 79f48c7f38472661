"""ImageNet's layout: a folder of synset folders; class names and prompts as open_clip has them. No torch."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.own.folders import Files, list_test_folder
from cl_bench.datasets.pretrained.open_clip_tables import imagenet_tables

LAYOUT = "imagenet"
CLASSES = 1_000
FIRST_PROMPT = "a photo of a {}."  # of the eighty, the one that other data sets are classified by


@cache
def synsets() -> tuple[str, ...]:
    """The names of the folders, sorted: the order of the classes."""
    package = find_spec("timm")
    assert package is not None and package.submodule_search_locations, "timm is not installed"
    folder = Path(package.submodule_search_locations[0])
    names = (folder / "data" / "_info" / "imagenet_synsets.txt").read_text().split()
    return tuple(sorted(names))


@cache
def class_names() -> dict[str, str]:
    """What prompts call every synset."""
    names, _ = imagenet_tables()
    return dict(zip(synsets(), names, strict=True))


@cache
def prompts() -> tuple[str, ...]:
    """The eighty prompts, the plain one first."""
    _, templates = imagenet_tables()
    return (FIRST_PROMPT, *(t for t in templates if t != FIRST_PROMPT))


def read_imagenet(folder: Path) -> tuple[Files, dict[str, str]]:
    """The images of a folder of synset folders, and what prompts call their classes.

    Where two synsets have one name, their images are one class, as nothing in a prompt could tell them apart.

    Raises:
        UserError: a folder is no synset of the 1,000.
    """
    files, known = list_test_folder(folder, ()), class_names()
    if odd := next((name for name in files.classes if name not in known), None):
        hint = "" if re.fullmatch(r"n\d{8}", odd) else " (synsets are called like n01440764)"
        raise UserError(f"{folder / odd} is none of ImageNet's 1,000 synsets{hint}")
    found: dict[str, list[Path]] = {}
    first: dict[str, str] = {}
    remarks = list(files.remarks)
    for synset, images in zip(files.classes, files.test, strict=True):
        before = first.setdefault(known[synset], synset)
        found.setdefault(before, []).extend(images)
        if before != synset:
            remarks.append(
                f"{before} and {synset} are one class: both are called {known[synset]!r}"
            )
    if (count := len(files.classes)) < CLASSES:
        remarks.append(f"{count:,} of ImageNet's {CLASSES:,} synsets are in {folder.name}/")
    nothing: tuple[list[Path], ...] = tuple([] for _ in found)
    whole = Files(tuple(found), nothing, tuple(found.values()), tuple(remarks))
    return whole, {synset: known[synset] for synset in found}
