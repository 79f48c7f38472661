"""A task split by its classes into several, for class-incremental streams. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.listings import images_of_classes
from cl_bench.datasets.own.read_task import ReadTask
from cl_bench.datasets.task_spec import FolderSource, TaskSpec

FEWEST = 2  # classes of a part: with one alone there is nothing to choose


def part_names(name: str, count: int) -> tuple[str, ...]:
    """What the parts of a task are called: ``NAME-01`` to ``NAME-10``."""
    digits = len(str(count))
    return tuple(f"{name}-{k:0{digits}d}" for k in range(1, count + 1))


def split_by_classes(read: ReadTask, count: int, seed: int) -> tuple[ReadTask, ...]:
    """The task in ``count`` parts, as equal as they can be, each with some of its classes.

    Classes are dealt out in an order that is drawn with (seed, name of the task); within a part they stay in
    the order of the task.

    Args:
        read: the whole task.
        count: of parts.
        seed: decides which classes are in which part.

    Raises:
        UserError: a part would have fewer than two classes.
    """
    spec, classes = read.spec, len(read.spec.classnames)
    if classes < FEWEST * count:
        raise UserError(
            f"split = {count}: a part would have fewer than {FEWEST} of the {classes} classes; give at most "
            f"{classes // FEWEST}"
        )
    drawn = np.random.default_rng([seed, *spec.name.encode()]).permutation(classes)
    parts = [tuple(sorted(part.tolist())) for part in np.array_split(drawn, count)]
    counts = images_of_classes(spec), images_of_classes(spec, split="test")
    names = part_names(spec.name, count)
    first, *others = (
        _part(read, name, part, [sum(of[c] for c in part) for of in counts])
        for name, part in zip(names, parts, strict=True)
    )
    said = (
        f"task {spec.name}: its {classes} classes are split into {count} parts by class_seed {seed}"
    )
    return replace(first, remarks=(*read.remarks, said)), *others


def _part(read: ReadTask, name: str, part: tuple[int, ...], sizes: Sequence[int]) -> ReadTask:
    """One of the parts.

    Args:
        read: the whole task.
        name: of the part.
        part: its classes among those of the task.
        sizes: its training and test images.
    """
    spec, source = read.spec, read.spec.source
    train, test = sizes
    changes = {
        "name": name,
        "classnames": tuple(spec.classnames[c] for c in part),
        "part": part,
        "train_size": train,
        "test_size": test,
    }
    entries = (*source.train, *source.test) if isinstance(source, FolderSource) else ()
    kept = [i for i, (_, of) in enumerate(entries) if of in part]
    images = (read.images[i] for i in kept)
    return ReadTask(
        TaskSpec(**{**dict(spec), **changes}),
        tuple(replace(image, place=replace(image.place, task=name)) for image in images),
        tuple(read.digests[i] for i in kept),
    )
