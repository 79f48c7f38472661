"""Image files that are never learned must be in no task. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.own.file_retrieval import ReadRetrieval
from cl_bench.datasets.own.read_task import ReadTask


def must_be_in_no_task(
    never_learned: Sequence[ReadTask | ReadRetrieval], tasks: Sequence[ReadTask]
) -> None:
    """Make sure that no file of a held-out or retrieval set has the bytes of a task's.

    Raises:
        UserError: one has; names both.
    """
    of_tasks = {
        digest: image
        for task in reversed(tasks)
        for image, digest in reversed(list(zip(task.images, task.digests, strict=True)))
    }
    for read in never_learned:
        kind = "held-out set" if isinstance(read, ReadTask) else "retrieval set"
        for image, digest in zip(read.images, read.digests, strict=True):
            if twin := of_tasks.get(digest):
                part = "training" if twin.place.split == "train" else "test"
                raise UserError(
                    f"the {kind} {read.spec.name} shares an image with the {part} images of "
                    f"{twin.place.task}: {image.shown} has the bytes of {twin.shown}; remove one of the two"
                )
