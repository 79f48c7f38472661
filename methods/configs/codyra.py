"""CoDyRA's settings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cl_bench.benchmark.method_config import MethodConfig


class CoDyRAConfig(MethodConfig):
    """CoDyRA's hyper-parameters (published code)."""

    rank: Annotated[int, Field(ge=1)] = 16
    """Components r of every update before any gate is zero."""
    largest_threshold: Annotated[float, Field(ge=0)] = 0.005
    """κ_max, which the threshold reaches at the end of a task."""
    dense_share: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of a task's steps before the threshold rises."""
    operator: Literal["released", "soft"] = "released"
    """What a threshold κ does: ``released`` sets gates below 2κ to zero and shrinks the others by κ;
    ``soft``, the paper's, sets those below κ to zero."""
    gates: Literal["trained", "frozen"] = "trained"
    """``frozen``: an ablation, in which gates stay as they were drawn but for the threshold."""
