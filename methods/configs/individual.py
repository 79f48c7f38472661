"""Per-task fine-tuning's setting."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cl_bench.benchmark.method_config import MethodConfig


class IndividualConfig(MethodConfig):
    """The loss's one setting."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Of the cross-entropy, as ZSCL's fine-tuning has it."""
