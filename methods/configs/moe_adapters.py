"""MoE-Adapters' settings."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from cl_bench.benchmark.method_config import MethodConfig, Need

Count = Annotated[int, Field(ge=1)]
ROUTED_TOGETHER = 128  # images of one data set that share a router under batch routing


class MoEAdaptersConfig(MethodConfig):
    """MoE-Adapters' hyper-parameters (published scripts, full-shot)."""

    repeats: ClassVar[tuple[str, ...]] = ("selector_steps", "reference_steps")

    experts: Count = 22
    """E experts per block and tower."""
    top_k: Count = 2
    """Experts that serve one sample."""
    bottleneck: Count = 64
    """Width m inside an expert."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """On the bottleneck, in training."""
    freeze: Annotated[int, Field(ge=0)] = 2
    """Most used experts of every block that are frozen after a task."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Of the cross-entropy."""
    routing: Literal["image", "batch"] = "image"
    """Choose a router per test image, or per 128 test images of one data set, as published."""
    threshold: Annotated[float, Field(gt=0)] = 0.0655
    """Reconstruction error above which no task is recognised."""
    selector_hidden: Count = 100
    """Hidden units of an auto-encoder."""
    selector_lr: Annotated[float, Field(gt=0)] = 0.01
    """Of Adam; a tenth of it from every tenth epoch on."""
    selector_steps: Count = 301
    """Steps of every task's auto-encoder."""
    reference_steps: Count = 1001
    """Steps of the reference set's auto-encoder."""
    slots: Annotated[int, Field(ge=0)] = 0
    """Routers and auto-encoders made beforehand, as published (11): auto-encoders still at their
    random start then compete for test images, too."""

    @model_validator(mode="after")
    def _enough_experts(self) -> MoEAdaptersConfig:
        if self.experts < max(self.top_k, self.freeze):
            raise ValueError(
                f"experts = {self.experts} is fewer than top_k = {self.top_k} or "
                f"freeze = {self.freeze}; give at least as many"
            )
        return self

    def needs(self) -> tuple[Need, ...]:
        """What the auto-selector looks through, and images that belong to no task."""
        return ("reference images", "selector")

    def caveats(self) -> tuple[str, ...]:
        """Batch routing is told which images belong together."""
        if self.routing == "image":
            return ()
        return (
            f"moe-adapters: routing = batch pools {ROUTED_TOGETHER} test images known to come from one "
            "data set, so the task's identity leaks into the prediction",
        )
