"""ConDU's settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cl_bench.benchmark.method_config import MOST, MethodConfig


class ConDUConfig(MethodConfig):
    """What trains for each task, and which of the experts an image is given to."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Of the cross-entropy."""
    tuned: Literal["all", "lora"] = "all"
    """What trains: every weight, or LoRA beside the matrices of the MLPs."""
    rank: Annotated[int, Field(ge=1, le=MOST)] = 64
    """Of LoRA's factors."""
    variant: Literal["released", "product"] = "released"
    """What of LoRA is unified: each factor, from a draw of its own; or B A, B from zero."""
    chosen: Annotated[int, Field(ge=1, le=MOST)] = 4
    """Experts that an image of a task not learned is given to, beside the pre-trained model."""
    inference: Literal["told", "agnostic"] = "told"
    """Told an image's task, its own expert is taken; agnostic: experts are chosen for every image."""

    def told(self) -> bool:
        """Whether the task of a test image is used."""
        return self.inference == "told"

    def caveats(self) -> tuple[str, ...]:
        """How the task's identity is used."""
        if self.told():
            return (
                "the task of a test image is told: an image of a learned task is classified by the expert of "
                "that task alone",
            )
        return (
            "experts are chosen for every image without its task; under --protocol x-tail they choose between "
            "all tasks' classes, which is cl-bench's own: published is the image's own data set",
        )
