"""From task specifications to images: the stream that a run learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.held_out import HeldOut, HeldOutSets
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import LabelSpace, Task, TaskStream
from cl_bench.datasets.checks.duplicates import in_both
from cl_bench.datasets.few_shot import choose
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mini.domains import draw
from cl_bench.datasets.mini.held_out import HELD_OUT, draw_held_out
from cl_bench.datasets.mini.long import redrawn
from cl_bench.datasets.own.folders import Entries
from cl_bench.datasets.suite import (
    FolderSource,
    MiniSource,
    MiniWorldSource,
    MtilSource,
    TaskSpec,
)


@dataclass(frozen=True)
class Shots:
    """A few-shot training set: ``count`` images per class, drawn for ``seed``."""

    count: int
    seed: int


def build_stream(
    name: str,
    specs: Sequence[TaskSpec],
    image_size: int,
    store: Store | None = None,
    data_root: Path | None = None,
    shots: Shots | None = None,
) -> TaskStream:
    """Load the tasks' images at the backbone's size.

    Args:
        name: of the stream.
        specs: the tasks in the order in which they are learned.
        image_size: side S of the backbone's input in pixels.
        store: where decoded images are kept; by default in memory.
        data_root: folder of the MTIL data sets.
        shots: train on so many images per class only.

    Raises:
        UserError: an image cannot be read, or a data set is not what its task says.
    """
    kept = store or Store()
    tasks = tuple(_load(spec, image_size, kept, data_root, shots) for spec in specs)
    # images that two image folders share are found earlier, when the folders are listed
    published = (t for t, spec in zip(tasks, specs, strict=True) if spec.source.kind == "mtil")
    remarks = (in_both(task.name, task.train, task.test) for task in published)
    return TaskStream(name, tasks, tuple(remark for remark in remarks if remark))


def _load(spec: TaskSpec, size: int, store: Store, root: Path | None, shots: Shots | None) -> Task:
    train, test = load_splits(spec, size, store, root)
    for images, split in ((train, "training"), (test, "test")):
        if len(images) == 0:  # --skip-broken left out every one
            raise UserError(f"{spec.name} has no {split} image that can be read")
    if shots is not None:
        rows = choose(train.targets.numpy(), shots.count, shots.seed, spec.name)
        train = train.subset(torch.from_numpy(rows))
    labels = LabelSpace.from_templates(spec.classnames, spec.templates)
    return Task(spec.name, labels, train, test)


def load_held_out(
    specs: Sequence[TaskSpec], size: int, store: Store, root: Path | None = None
) -> HeldOutSets:
    """Load the test images of data sets that are never learned.

    Args:
        specs: the data sets.
        size: side S of the backbone's input in pixels.
        store: where decoded images are kept.
        root: folder of the MTIL data sets.

    Raises:
        UserError: as of ``load_test``.
    """
    return HeldOutSets(
        tuple(
            HeldOut(
                spec.name,
                LabelSpace.from_templates(spec.classnames, spec.templates),
                load_test(spec, size, store, root),
            )
            for spec in specs
        )
    )


def load_test(spec: TaskSpec, size: int, store: Store, root: Path | None = None) -> Images:
    """The test images of a data set alone.

    Raises:
        UserError: they are not those that the data set says, or none can be read.
    """
    _, test = list_splits(spec, root)
    images = store.images(f"{spec.name}-test", test, size, native_size(spec))
    if len(images) == 0:
        raise UserError(f"{spec.name} has no test image that can be read")
    return images


def load_splits(
    spec: TaskSpec, size: int, store: Store, root: Path | None = None
) -> tuple[Images, Images]:
    """The training and the test images of a task.

    Raises:
        UserError: they are not those that the task says, or cannot be read.
    """
    train, test = list_splits(spec, root)
    native = native_size(spec)
    return (
        store.images(f"{spec.name}-train", train, size, native),
        store.images(f"{spec.name}-test", test, size, native),
    )


def native_size(spec: TaskSpec) -> int | None:
    """The side of a data set's images where they are all small and square."""
    return spec.source.native if isinstance(spec.source, MtilSource) else None


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
            for listing, size, split in zip(
                listings, (spec.train_size, spec.test_size), ("training", "test"), strict=True
            ):
                _check(spec, listing, size, split)
            return listings


def _drawn(spec: TaskSpec, pixels: NDArray[np.uint8], targets: NDArray[np.int64]) -> Listing:
    whole = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1))
    return Listing(whole, targets.astype(np.int64), spec.classnames)


def _in_folder(spec: TaskSpec, folder: Path, entries: Entries) -> Listing:
    classes = np.array([c for _, c in entries], dtype=np.int64)
    return Listing(tuple(folder / path for path, _ in entries), classes, spec.classnames)


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
