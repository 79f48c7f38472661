"""What the images of a task are, before any is decoded. No torch, but for MTIL's files."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.mini.domains import draw
from cl_bench.datasets.mini.held_out import HELD_OUT, draw_held_out
from cl_bench.datasets.mini.long import redrawn
from cl_bench.datasets.own.folders import Entries
from cl_bench.datasets.task_spec import (
    FolderSource,
    MiniSource,
    MiniWorldSource,
    MtilSource,
    TaskSpec,
)


def images_of_classes(
    spec: TaskSpec, root: Path | None = None, split: Literal["train", "test"] = "train"
) -> tuple[int, ...]:
    """How many images of a split each class of a task has, files that cannot be read with them.

    Raises:
        UserError: as :func:`list_splits`.
    """
    classes = len(spec.classnames)
    match spec.source:
        case MiniSource() | MiniWorldSource():  # drawing them to count them would take seconds
            size = spec.train_size if split == "train" else spec.test_size
            return (size // classes,) * classes
        case FolderSource(train=train, test=test):
            entries = train if split == "train" else test
            _, targets = _of_part(spec, np.array([of for _, of in entries], dtype=np.int64))
            return _counted(targets, classes)
        case MtilSource():
            return _of_mtil(spec.model_dump_json(), root)[split]


@functools.lru_cache(maxsize=64)  # a sweep asks for every run
def _of_mtil(spec: str, root: Path | None) -> dict[str, tuple[int, ...]]:
    task = TaskSpec.model_validate_json(spec)
    train, test = list_splits(task, root)
    classes = len(task.classnames)
    return {"train": _counted(train.targets, classes), "test": _counted(test.targets, classes)}


def _counted(targets: ArrayLike, classes: int) -> tuple[int, ...]:
    return tuple(np.bincount(np.asarray(targets, dtype=np.int64), minlength=classes).tolist())


def list_splits(spec: TaskSpec, root: Path | None = None) -> tuple[Listing, Listing]:
    """What a task's training and test images are, before any is decoded.

    Raises:
        UserError: files are missing, or there are others than the task says.
    """
    match spec.source:
        case MiniSource(domain=domain) if domain in HELD_OUT:
            test = _drawn(spec, *draw_held_out(domain))
            return test.subset(np.arange(0)), test
        case MiniSource(domain=domain):
            return _drawn(spec, *draw(domain, "train")), _drawn(spec, *draw(domain, "test"))
        case MiniWorldSource(domain=domain, world=world):
            splits = (redrawn(domain, "train", world), redrawn(domain, "test", world))
            return _drawn(spec, *splits[0]), _drawn(spec, *splits[1])
        case FolderSource(root=folder, train=train, test=test):
            return _in_folder(spec, folder, train), _in_folder(spec, folder, test)
        case MtilSource(dataset=dataset):
            from cl_bench.datasets.mtil.readers import read_both

            listings = read_both(dataset, _root(spec.source, root))
            own = _part_of(spec, listings[0]), _part_of(spec, listings[1])
            _check(spec, own[0], spec.train_size, "training")
            _check(spec, own[1], spec.test_size, "test")
            return own


def _drawn(spec: TaskSpec, pixels: NDArray[np.uint8], targets: NDArray[np.int64]) -> Listing:
    rows, own = _of_part(spec, targets.astype(np.int64))
    whole = np.ascontiguousarray(pixels[rows].transpose(0, 2, 3, 1))
    return Listing(whole, own, spec.classnames)


def _in_folder(spec: TaskSpec, folder: Path, entries: Entries) -> Listing:
    rows, own = _of_part(spec, np.array([c for _, c in entries], dtype=np.int64))
    return Listing(tuple(folder / entries[row][0] for row in rows), own, spec.classnames)


def _part_of(spec: TaskSpec, whole: Listing) -> Listing:
    """The images of the task's classes, where these are a part of a data set's."""
    if not spec.part:
        return whole
    rows, own = _of_part(spec, whole.targets)
    return Listing(whole.subset(rows).images, own, tuple(whole.classnames[c] for c in spec.part))


def _of_part(
    spec: TaskSpec, targets: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which of a source's images are of the task's classes, [n], and these classes, counted from 0 on, [n]."""
    if not spec.part:
        return np.arange(len(targets)), targets
    rows = np.flatnonzero(np.isin(targets, spec.part))
    return rows, np.searchsorted(spec.part, targets[rows]).astype(np.int64)


def _root(source: MtilSource, root: Path | None) -> Path:
    if source.root is None and root is None:
        raise UserError(
            f"{source.dataset} has no data root (set CL_BENCH_DATA=FOLDER or --data-root)"
        )
    return source.root or root  # type: ignore[return-value]


def _check(spec: TaskSpec, listing: Listing, size: int, split: str) -> None:
    """Raise where a data set is not the one that the task stands for."""
    found = len(listing.targets)
    if found != size:
        raise UserError(
            f"{spec.name} has {found:,} {split} images where {size:,} belong; `cl-bench data status` "
            "says more. To run on what is there, add --partial-data"
        )
    pairs = zip(listing.classnames, spec.classnames, strict=False)
    if wrong := next(((a, b) for a, b in pairs if a != b), None):
        raise UserError(f"{spec.name} has a class {wrong[0]!r} where {wrong[1]!r} belongs")
