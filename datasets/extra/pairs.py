"""Where image-text pairs come from: a folder with a table, class folders, or mini's own world."""

from __future__ import annotations

import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.extra.listed_pairs import ListedPairs
from cl_bench.datasets.extra.pairs_table import TABLE, check_tasks, read_pairs
from cl_bench.datasets.extra.source import Source, TaskNames, missing
from cl_bench.datasets.images.content import digests_of
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.visible import files_below, has_image_name

if TYPE_CHECKING:
    from cl_bench.benchmark.assets import Pairs
    from cl_bench.datasets.images.store import Store

CAPTION = "a photo of a {}."  # of an image of a class
PER_TASK, SEED = (
    1000,
    42,
)  # images of class folders for the i-th task, drawn with seed 42 + i (GIFT)
WORDNET = re.compile(r"n\d{8}")  # how ImageNet's folders are called


def find_pairs(folder: Path | None, suite: str, tasks: TaskNames, at_least: int) -> Source:
    """Pairs of a folder with a table, ``pairs.csv``; mini draws its own.

    Raises:
        UserError: there are none, too few for a task, or a row cannot be used.
    """
    if folder is None:
        if suite == "mini":
            about = "mini: pictures that its world draws from captions, for each task"
            return Source(about, partial(_mini_pairs, tasks.learned), _mini_count)
        raise missing(
            "image-text pairs", "--reference-pairs", f"FOLDER (images and {TABLE}: docs/pairs.md)"
        )
    pairs = read_pairs(_folder("--reference-pairs", folder))
    check_tasks(pairs, (*tasks.learned, *tasks.others), folder)
    used = [pair for pair in pairs if pair.task is None or pair.task in tasks.learned]
    rows: defaultdict[str, list[int]] = defaultdict(list)
    for i, pair in enumerate(used):
        for task in tasks.learned if pair.task is None else (pair.task,):
            rows[task].append(i)
    files, prompts = tuple(p.file for p in used), tuple(p.prompt for p in used)
    common = any(pair.task is None for pair in used)
    serves = "every task" if common else f"{len(rows)} tasks"
    listed = ListedPairs(
        f"--reference-pairs {folder}", at_least, files, prompts,
        {task: tuple(rows[task]) for task in tasks.learned},
    )  # fmt: skip
    return _source(listed, f"{len(used):,} image-text pairs of a folder for {serves}", folder)


def find_class_pictures(folder: Path | None, suite: str, tasks: TaskNames, at_least: int) -> Source:
    """Images of class folders, each with a prompt of its class: 1,000 for every task.

    Raises:
        UserError: there are none, too few, or their classes have no names.
    """
    if folder is None:
        if suite == "mini":
            about = "mini: its reference pictures, each with a prompt of what it shows"
            return Source(about, partial(_mini_pictures, tasks.learned), _mini_picture_count)
        raise missing(
            "reference images with classes",
            "--reference-images",
            "FOLDER (a folder for each class)",
        )
    files = sorted(
        f for f in files_below(_folder("--reference-images", folder)) if has_image_name(f)
    )
    for file in files:
        _check_class(file, folder)
    drawn = {
        task: sorted(random.Random(SEED + i).sample(range(len(files)), min(PER_TASK, len(files))))
        for i, task in enumerate(tasks.learned)
    }
    used = sorted({row for rows in drawn.values() for row in rows})
    place = {row: i for i, row in enumerate(used)}
    listed = ListedPairs(
        f"--reference-images {folder}",
        at_least,
        tuple(files[row] for row in used),
        tuple(CAPTION.format(files[row].parent.name.replace("_", " ")) for row in used),
        {task: tuple(place[row] for row in rows) for task, rows in drawn.items()},
    )
    about = f"{listed.most():,} images for each task of {len(files):,} in class folders"
    return _source(listed, about, folder)


def _folder(option: str, folder: Path) -> Path:
    if not folder.is_dir():
        raise UserError(f"{option} {folder} is not a folder")
    return folder


def _check_class(file: Path, folder: Path) -> None:
    """Raise UserError where an image's folder does not name its class."""
    name = file.parent.name
    if file.parent == folder:
        raise UserError(
            f"--reference-images {folder}: {file.name} is in no class folder, so it has no prompt"
        )
    if WORDNET.fullmatch(name):
        raise UserError(
            f"--reference-images {folder}: {name} is WordNet's number of a class, no name; rename the folders, "
            f"or write prompts into a table for --reference-pairs (docs/pairs.md)"
        )


def _source(listed: ListedPairs, about: str, folder: Path) -> Source:
    """What was listed, pinned by what it holds."""
    listed.check()
    contents = digests_of(listed.files)
    lines = [
        f"{file.relative_to(folder) if file.is_relative_to(folder) else file.name} {digest} {prompt}"
        for file, digest, prompt in zip(listed.files, contents, listed.prompts, strict=True)
    ]
    lines += [f"{task} {rows}" for task, rows in listed.rows.items()]
    pin = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:12]
    return Source(f"{about}, {pin}", listed.load, listed.most)


def _mini_pairs(tasks: Sequence[str], size: int, device: str, store: Store) -> Pairs:
    from cl_bench.datasets.mini.pairs import drawn_pictures, rows_of

    pixels, prompts = drawn_pictures()
    return _drawn(pixels, prompts, rows_of(tasks), size, store)


def _mini_pictures(tasks: Sequence[str], size: int, device: str, store: Store) -> Pairs:
    from cl_bench.datasets.mini.references import pictured_concepts, reference_images

    pixels = reference_images()
    prompts = tuple(CAPTION.format(concept) for concept in pictured_concepts())
    return _drawn(pixels, prompts, dict.fromkeys(tasks, range(len(pixels))), size, store)


def _drawn(
    pixels: NDArray[np.uint8],
    prompts: tuple[str, ...],
    rows: Mapping[str, Sequence[int]],
    size: int,
    store: Store,
) -> Pairs:
    """Pictures [N, 3, 32, 32] with their prompts."""
    import torch

    from cl_bench.benchmark.assets import Pairs

    listing = Listing(pixels.transpose(0, 2, 3, 1), np.zeros(len(pixels), dtype=np.int64), ("",))
    images = store.images("reference pairs", listing, size)
    return Pairs(images, prompts, {task: torch.tensor(list(of)) for task, of in rows.items()})


def _mini_count() -> int:
    from cl_bench.datasets.mini import pairs

    return pairs.PER_TASK


def _mini_picture_count() -> int:
    from cl_bench.datasets.mini.references import reference_image_count

    return reference_image_count()
