"""KeepLoRA's settings: its hyper-parameters, its variants' extras, and whose computation to follow."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.methods.rank_rule import RankRule

Share = Annotated[float, Field(ge=0, le=1)]

VARIANTS: dict[str, dict[str, str]] = {
    "released": {
        "weight_side": "output",
        "rank_rule": "below",
        "feature_statistic": "batch_mean",
        "text_positions": "padded",
    },
    "paper": {
        "weight_side": "input",
        "rank_rule": "reach",
        "feature_statistic": "gram",
        "text_positions": "prompt",
    },
}


class KeepLoRAConfig(MethodConfig):
    """KeepLoRA's hyper-parameters (published code, ``configs``) and its four quirks."""

    rank: Annotated[int, Field(ge=1)] = 16
    """Rank r of every update."""
    alpha: Annotated[float, Field(gt=0)] = 1.0
    """Numerator of the scale s = alpha / r."""
    vision_weight_share: Share = 0.85
    """Energy threshold ε_w of the vision tower: share of the pretrained weights' energy to protect."""
    text_weight_share: Share = 0.2
    """The same of the text tower."""
    vision_feature_share: Share = 0.99
    """Energy threshold ε_f of the vision tower: share of each task's features' energy to protect."""
    text_feature_share: Share = 0.99
    """The same of the text tower."""
    direction: Literal["gradient", "random"] = "gradient"
    """The frozen A: leading directions of the projected gradient, or random (then B starts at 0)."""
    start: Literal["gradient", "zero"] = "gradient"
    """B₀: S_r V_rᵀ of the projected gradient, or 0 (KeepLoRA++)."""
    vision_layer_scale: Annotated[float, Field(gt=0, le=1)] = 1.0
    """γ: block l of L scales its update by γ + (1 − γ)·l/(L − 1), vision only (KeepLoRA++: 0.2)."""
    cosine_head: bool = False
    """Add a cosine classifier per task (KeepLoRA+)."""
    feature_distillation: Annotated[float, Field(ge=0)] = 0.0
    """Weight of 1 − cos between the image features and the original CLIP's."""
    logit_distillation: Annotated[float, Field(ge=0)] = 0.0
    """Weight of the soft cross-entropy with the original CLIP's logits."""
    temperature: Annotated[float, Field(gt=0)] = 2.0
    """Of the logit distillation."""
    variant: Literal["released", "paper"] = "released"
    """Whose computation to follow; sets the four switches below that are not set by name."""
    weight_side: Literal["output", "input"]
    """Side of W whose singular vectors are protected (the code takes the output's by mistake)."""
    rank_rule: RankRule
    """``reach`` the energy threshold, or stop one direction ``below`` it."""
    feature_statistic: Literal["batch_mean", "gram"]
    """Element-wise mean of the batches, or the Gram matrix of all features."""
    text_positions: Literal["padded", "prompt"]
    """Text features of all positions, padding included, or of the prompt's own tokens."""

    def knows_tasks_by_names(self) -> bool:
        """A task's cosine classifier is found by its class names."""
        return self.cosine_head

    @model_validator(mode="before")
    @classmethod
    def _fill_switches(cls, given: dict[str, Any]) -> dict[str, Any]:
        variant = given.get("variant", "released")
        return (VARIANTS.get(variant, {}) if isinstance(variant, str) else {}) | given

    def distils(self) -> bool:
        """Whether there is a teacher."""
        return self.feature_distillation > 0 or self.logit_distillation > 0
