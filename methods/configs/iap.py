"""IAP's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from pydantic import Field, model_validator

from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.methods.configs.diki import Count, leaks, too_few_images

Positive = Annotated[float, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class IAPConfig(MethodConfig):
    """IAP's hyper-parameters (published configs)."""

    length: Count = 8
    """P, keys and values that a task adds to each block."""
    vision_depth: Count = 12
    """Blocks of the image tower that get them and a gate, from the first; a tower that has fewer: all of them."""
    text_depth: Count = 8
    """Blocks of the text tower that get them; there are no gates."""
    temperature: Positive = 3.0
    """Of the gates' Gumbel softmax in training."""
    test_noise: bool = True
    """Draw the gates' noise at test, too, as published: of each image and seed always the same."""
    routing: Literal["image", "batch"] = "image"
    """Choose a task per test image, or per 256 test images of one data set, as published."""
    floor: Positive = 1e-7
    """Added to every variance of a task's features, so that their covariance can be inverted."""
    task_scale: Positive = 0.5
    """The covariance of a task is multiplied by it."""
    lower: Share = 0.2
    """A weight below it becomes 0."""
    upper: Share = 0.8
    """A weight above it becomes 1; between the two, the classes' densities give another one."""
    class_scale: Positive = 0.1
    """The covariance within the classes of a task is multiplied by it."""
    top_classes: Count = 5
    """Of how many classes, the likeliest, the log densities are averaged; of all where there are fewer."""

    @model_validator(mode="after")
    def _boundaries_in_order(self) -> IAPConfig:
        if self.lower > self.upper:
            raise ValueError(
                f"lower = {self.lower:g} is above upper = {self.upper:g}; give a smaller lower"
            )
        return self

    def remarks(self, images: Mapping[str, Sequence[int]], features: int) -> tuple[str, ...]:
        """Tasks with fewer images than a covariance needs."""
        return too_few_images("iap", images, features, means=len)

    def caveats(self) -> tuple[str, ...]:
        """Batch routing is told which images belong together; predictions depend on draws."""
        drawn = (
            "iap: test_noise = true draws for every test image which blocks use its prefix, as published: "
            "another seed draws others",
        )
        return (
            *(leaks("iap") if self.routing == "batch" else ()),
            *(drawn if self.test_noise else ()),
        )
