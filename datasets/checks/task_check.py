"""One task looked at before a run: every image decoded, its classes counted, its prompts read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cl_bench.datasets.checks.prompts import near
from cl_bench.datasets.checks.same_images import Place, Placed
from cl_bench.datasets.checks.verify import broken_images
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.listings import list_splits
from cl_bench.datasets.progress import ProgressCallback
from cl_bench.datasets.task_spec import FolderSource, MtilSource, TaskSpec

SHOWN = 20  # broken files that are named


@dataclass(frozen=True)
class TaskCheck:
    """What was found about a task.

    Attributes:
        spec: the task.
        per_class: class -> its training images.
        images: its files; none where its images are no files.
        broken: files that cannot be decoded, in words.
        notes: what may be right, but should be looked at.
    """

    spec: TaskSpec
    per_class: dict[str, int]
    images: tuple[Placed, ...]
    broken: tuple[str, ...]
    notes: tuple[str, ...]


def check_task(spec: TaskSpec, data_root: Path | None, on_progress: ProgressCallback) -> TaskCheck:
    """Look at a task's images, classes and prompts.

    Args:
        spec: the task.
        data_root: folder of the MTIL data sets.
        on_progress: hears of the images that are decoded.

    Raises:
        UserError: its images cannot be listed.
    """
    splits = dict(zip(("train", "test"), list_splits(spec, data_root), strict=True))
    broken = [
        problem
        for split, listing in splits.items()
        for problem in broken_images(f"{spec.name}-{split}", listing, on_progress)
    ]
    counts = np.bincount(splits["train"].targets, minlength=len(spec.classnames)).tolist()
    return TaskCheck(
        spec,
        dict(zip(spec.classnames, counts, strict=True)),
        tuple(image for s, found in splits.items() for image in _placed(spec, s, found, data_root)),
        _few(broken),
        tuple(_near_names(spec)),
    )


def _placed(
    spec: TaskSpec, split: str, listing: Listing, data_root: Path | None
) -> Iterator[Placed]:
    if isinstance(listing.images, np.ndarray):
        return
    root = spec.source.root if isinstance(spec.source, FolderSource | MtilSource) else None
    base = root or data_root or Path()
    for file, target in zip(listing.images, listing.targets.tolist(), strict=True):
        place = Place(spec.name, split, spec.classnames[target])
        yield Placed(file, place, Path(os.path.relpath(file, base)).as_posix())


def _few(problems: list[str]) -> tuple[str, ...]:
    more = [f"and {len(problems) - SHOWN} more broken images"] if len(problems) > SHOWN else []
    return (*problems[:SHOWN], *more)


def _near_names(spec: TaskSpec) -> Iterator[str]:
    for group in near(spec.classnames):
        names = ", ".join(repr(spec.classnames[i]) for i in group)
        yield f"task {spec.name}: near-duplicate class names: {names}"
