"""GIFT's settings."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from cl_bench.benchmark.method_config import MethodConfig, Need

Weight = Annotated[float, Field(ge=0)]


class GIFTConfig(MethodConfig):
    """What holds the weights back; the defaults are those of the published runs."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Of both cross-entropies, on the task and on the pairs."""
    distillation: Weight = 1.0
    """Weight of the distillation on pairs, in both directions."""
    temperature: Annotated[float, Field(gt=0)] = 2.0
    """Softens both sides of the distillation."""
    alignment: Weight = 0.25
    """Weight of ITA: an image's own prompt is its class among those of the batch, and the reverse."""
    consolidation: Weight = 1.0
    """λ of AWC, λ·Σ F·(θ − θ*)²; F comes from this step's gradient on the pairs."""
    reference: Literal["pairs", "images"] = "pairs"
    """What is distilled on: pairs that a generator made, or images of class folders."""

    @model_validator(mode="after")
    def _importance_has_a_source(self) -> Self:
        if self.consolidation > 0 and not self.uses_pairs():
            raise ValueError(
                "consolidation takes its weights from distillation and alignment, which are both 0: set "
                "one of them above 0, or consolidation to 0"
            )
        return self

    def uses_pairs(self) -> bool:
        """Whether there is anything to do on pairs."""
        return self.distillation > 0 or self.alignment > 0

    def needs(self) -> tuple[Need, ...]:
        """Pairs, where they are used."""
        if not self.uses_pairs():
            return ()
        return (
            "image-text pairs" if self.reference == "pairs" else "reference images with classes",
        )
