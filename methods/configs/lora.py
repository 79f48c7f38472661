"""LoRA's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cl_bench.benchmark.method_config import MethodConfig


class LoRAConfig(MethodConfig):
    """LoRA's hyper-parameters; the defaults give it KeepLoRA's slots and scale."""

    rank: Annotated[int, Field(ge=1)] = 16
    """Rank r of every update."""
    alpha: Annotated[float, Field(gt=0)] = 1.0
    """Numerator of the scale s = alpha / r."""
