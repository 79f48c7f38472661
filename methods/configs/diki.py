"""DIKI's settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field

from cl_bench.benchmark.method_config import MethodConfig

Count = Annotated[int, Field(ge=1)]
ROUTED_TOGETHER = 256  # images of one data set that share a prefix under batch routing


class DIKIConfig(MethodConfig):
    """DIKI's hyper-parameters (published configs)."""

    length: Count = 8
    """P, keys and values that a task adds to each block."""
    vision_depth: Count = 8
    """Blocks of the image tower that get them, from the first; a tower that has fewer: all of them."""
    text_depth: Count = 8
    """The same of the text tower."""
    routing: Literal["image", "batch"] = "image"
    """Choose a prefix per test image, or per 256 test images of one data set, as published."""
    floor: Annotated[float, Field(gt=0)] = 1e-7
    """Added to every variance of a task's features, so that their covariance can be inverted."""

    def remarks(self, images: Mapping[str, Sequence[int]], features: int) -> tuple[str, ...]:
        """Tasks with fewer images than a covariance needs."""
        return too_few_images("diki", images, features, means=lambda counts: 1)

    def caveats(self) -> tuple[str, ...]:
        """Batch routing is told which images belong together."""
        return leaks("diki") if self.routing == "batch" else ()


def too_few_images(
    method: str,
    images: Mapping[str, Sequence[int]],
    features: int,
    means: Callable[[Sequence[int]], int],
) -> tuple[str, ...]:
    """A line that names the tasks with too few training images for a covariance of full rank, if there are any.

    Args:
        method: its name.
        images: by task, how many training images each of its classes has.
        features: numbers of an image's feature.
        means: how many of a task are taken from its images before the covariance is.
    """
    needed = {task: features + means(counts) for task, counts in images.items()}
    few = [
        f"{task} ({sum(counts)} of {needed[task]})"
        for task, counts in images.items()
        if sum(counts) < needed[task]
    ]
    if not few:
        return ()
    return (
        f"{method}: there are fewer training images than a covariance of {features} features needs of "
        f"{', '.join(few)}: outside of the directions that these span, the variance of such a task is the "
        "setting floor alone, and hardly an image but its own training images gets its prefix",
    )


def leaks(method: str) -> tuple[str, ...]:
    """The caveat of batch routing."""
    return (
        f"{method}: routing = batch gives {ROUTED_TOGETHER} test images known to come from one data set the "
        "prefix that most of them choose, so the task's identity leaks into the prediction",
    )
