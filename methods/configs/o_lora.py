"""O-LoRA's settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cl_bench.benchmark.method_config import MethodConfig


class OLoRAConfig(MethodConfig):
    """O-LoRA's hyper-parameters (published scripts)."""

    rank: Annotated[int, Field(ge=1)] = 8
    """Rank r of every update."""
    alpha: Annotated[float, Field(gt=0)] = 32.0
    """Numerator of the scale s = alpha / r."""
    orthogonality: Annotated[float, Field(ge=0)] = 0.5
    """λ₁."""
    shrinkage: Annotated[float, Field(ge=0)] = 0.0
    """λ₂, on Frobenius norms that are not squared."""
    penalty: Literal["absolute", "squared"] = "absolute"
    """Of the entries of A_prevᵀ A_t: the published code's, or the paper's."""
