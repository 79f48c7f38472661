"""ZSCL's settings, and those of the methods that are parts of it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cl_bench.benchmark.method_config import MethodConfig, Need

Weight = Annotated[float, Field(ge=0)]


class ZSCLConfig(MethodConfig):
    """What holds the weights back; the defaults are ZSCL's (scripts/ZSCL.sh)."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Of the cross-entropy."""
    image_distillation: Weight = 1.0
    """Weight of the term whose softmax runs over the reference texts."""
    text_distillation: Weight = 1.0
    """Weight of the term whose softmax runs over the images of the batch."""
    temperature: Annotated[float, Field(gt=0)] = 2.0
    """Softens both sides of the distillation."""
    teacher: Literal["original", "previous"] = "original"
    """The pre-trained CLIP, or the model as it was before the task."""
    reference_images: Literal["external", "task"] = "external"
    """Images to distil on: of the reference set, or of the task itself."""
    reference_texts: Literal["external", "prompts", "random"] = "external"
    """Texts to distil on: of the reference set, the task's prompts, or random tokens."""
    l2: Weight = 1.0
    """λ of λ·Σ(θ − θ_start)², over every weight, neither halved nor averaged."""
    ensemble_every: Annotated[int, Field(ge=0)] = 100
    """Steps between two snapshots of the weight average that the task ends with; 0: no average."""
    wise_alpha: Annotated[float, Field(gt=0, le=1)] = 1.0
    """After the task θ ← α·θ + (1 − α)·θ_start (WiSE-FT)."""

    def distils(self) -> bool:
        """Whether there is a teacher."""
        return self.image_distillation > 0 or self.text_distillation > 0

    def needs(self) -> tuple[Need, ...]:
        """The reference set, where it is distilled on."""
        images: tuple[Need, ...] = ("reference images",)
        texts: tuple[Need, ...] = ("reference texts",)
        return (
            *(images if self.distils() and self.reference_images == "external" else ()),
            *(texts if self.distils() and self.reference_texts == "external" else ()),
        )
