"""InfLoRA's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cl_bench.benchmark.method_config import MethodConfig

Share = Annotated[float, Field(ge=0, le=1)]


class InfLoRAConfig(MethodConfig):
    """InfLoRA's hyper-parameters (published configs, CIFAR-100)."""

    rank: Annotated[int, Field(ge=1)] = 10
    """Rank r of every update."""
    first_share: Share = 0.95
    """ε of the first task: energy of C's singular values to protect."""
    last_share: Share = 1.0
    """ε that a stream of ``stream_length`` tasks would reach after its last."""
    stream_length: Annotated[int, Field(ge=1)] = 11
    """T of ε_t = first + (last − first)·t/T, t = 0, 1, ..."""
