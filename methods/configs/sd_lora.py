"""SD-LoRA's settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cl_bench.benchmark.method_config import MethodConfig


class SDLoRAConfig(MethodConfig):
    """SD-LoRA's hyper-parameters (published configs)."""

    rank: Annotated[int, Field(ge=1)] = 10
    """Rank r of every update."""
    variant: Literal["released", "paper"] = "released"
    """``released``: every α starts at 0.8 again at every task, and the finished LoRA's norm is
    lost, so the function jumps. ``paper``: α is carried over and takes the norm up."""
