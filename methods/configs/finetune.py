"""Continual fine-tuning's setting."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cl_bench.benchmark.method_config import MethodConfig


class FineTuneConfig(MethodConfig):
    """The loss's one setting."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Of the cross-entropy."""
