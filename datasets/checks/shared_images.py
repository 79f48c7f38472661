"""Images that should never be learned, but are a task's or are learned with beside the tasks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.held_out import HeldOutSets
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.retrieval import RetrievalSets
from cl_bench.benchmark.task import Task


def must_share_no_image(held_out: HeldOutSets, tasks: Sequence[Task], assets: Assets) -> None:
    """Make sure that no held-out image is used for anything else.

    Two images are the same if the bytes of their files are, or the pixels that the backbone gets: so a copy
    in another lossless format is found, and one that was compressed anew is not.

    Args:
        held_out: what is never learned.
        tasks: of the run; of a few-shot run, with the chosen training images.
        assets: what the method may use besides.

    Raises:
        UserError: an image is; names it and its twin.
    """
    sets = {s.name: s.test for s in held_out.sets}
    _must_share_none("held-out set", "--held-out", sets, _others(tasks, assets))


def retrieval_must_share_no_picture(
    retrieval: RetrievalSets, tasks: Sequence[Task], assets: Assets
) -> None:
    """The same for the pictures of retrieval sets; arguments and errors as of ``must_share_no_image``."""
    sets = {s.name: s.test for s in retrieval.sets}
    _must_share_none("retrieval set", "--retrieval", sets, _others(tasks, assets))


def _must_share_none(
    kind: str, option: str, sets: Mapping[str, Images], others: Iterable[tuple[str, Images]]
) -> None:
    own = {mark: (name, of.called(i)) for name, of in sets.items() for i, mark in _marks(of)}
    for where, images in others if own else ():
        for i, mark in _marks(images):
            if mark in own:
                name, called = own[mark]
                raise UserError(
                    f"the {kind} {name} shares an image with {where}: {called} is "
                    f"{images.called(i)} there; remove one of the two, or leave {name} out of {option}"
                )


def _others(tasks: Sequence[Task], assets: Assets) -> Iterator[tuple[str, Images]]:
    """All images but the held-out ones, and what they are in words."""
    for task in tasks:
        yield f"the training images of {task.name}", task.train
        yield f"the test images of {task.name}", task.test
    if assets.images is not None:
        yield "the reference images", assets.images
    if assets.pairs is not None:
        yield "the image-text pairs", assets.pairs.images


def _marks(images: Images) -> Iterator[tuple[int, str]]:
    """The place of every image with each of its digests: of its file where known, and of its pixels."""
    yield from enumerate(images.digests)
    side = images.pixels.shape[-1]
    for i, pixels in enumerate(images.pixels.numpy()):  # [C, H, H]
        coloured = np.ascontiguousarray(np.broadcast_to(pixels, (3, side, side)))
        yield i, f"{side} {hashlib.sha256(coloured.data).hexdigest()}"
