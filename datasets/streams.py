"""From task specifications to images: the stream that a run learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.held_out import HeldOut, HeldOutSets
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import LabelSpace, Task, TaskStream
from cl_bench.datasets.checks.duplicates import in_both
from cl_bench.datasets.client_split import ClientSplit
from cl_bench.datasets.few_shot import choose
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.imbalance import Counts, Imbalance
from cl_bench.datasets.listings import list_splits
from cl_bench.datasets.task_spec import MtilSource, TaskSpec


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
    imbalance: Imbalance | None = None,
    split: ClientSplit | None = None,
) -> TaskStream:
    """Load the tasks' images at the backbone's size.

    Args:
        name: of the stream.
        specs: the tasks in the order in which they are learned.
        image_size: side S of the backbone's input in pixels.
        store: where decoded images are kept; by default in memory.
        data_root: folder of the MTIL data sets.
        shots: train on so many images per class only.
        imbalance: train on fewer images of some classes or tasks.
        split: share each task's training images among clients.

    Raises:
        UserError: an image cannot be read, a data set is not what its task says, or a class or client is left
            without images.
    """
    kept = store or Store()
    tasks = tuple(_load(spec, image_size, kept, data_root, shots) for spec in specs)
    # images that two image folders share are found earlier, when the folders are listed
    published = (t for t, spec in zip(tasks, specs, strict=True) if spec.source.kind == "mtil")
    remarks = [in_both(task.name, task.train, task.test) for task in published]
    if imbalance is not None:
        available = {task.name: task.train_images_of_classes() for task in tasks}
        tasks = _imbalanced(tasks, imbalance, available)
        remarks += imbalance.remarks(available)
    if split is not None:
        tasks = tuple(_shared(task, split) for task in tasks)
    return TaskStream(name, tasks, tuple(remark for remark in remarks if remark))


def _imbalanced(
    tasks: tuple[Task, ...], imbalance: Imbalance, available: Counts
) -> tuple[Task, ...]:
    """The tasks with those of their training images that are kept; test images stay whole."""
    targets = {task.name: task.train.targets.numpy() for task in tasks}
    rows = imbalance.choose(targets, imbalance.counts(available))
    return tuple(
        replace(task, train=task.train.subset(torch.from_numpy(rows[task.name]))) for task in tasks
    )


def _shared(task: Task, split: ClientSplit) -> Task:
    """The task with a client for every training image."""
    owner = split.choose(task.train.targets.numpy(), task.name)
    return replace(task, clients=torch.from_numpy(owner))


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
