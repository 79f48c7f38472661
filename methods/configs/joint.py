"""Joint training's setting."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cl_bench.benchmark.method_config import MethodConfig, Need


class JointConfig(MethodConfig):
    """The loss's one setting."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Of the cross-entropy, as ZSCL's fine-tuning has it."""

    def needs(self) -> tuple[Need, ...]:
        """Every task's training images, from the start."""
        return ("all tasks",)

    def caveats(self) -> tuple[str, ...]:
        """Only the last row is a result."""
        return ("joint: trains on all tasks from the start; only its Last is a result",)
