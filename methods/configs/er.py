"""Experience replay's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cl_bench.benchmark.method_config import MethodConfig, Need


class ERConfig(MethodConfig):
    """The memory's size, and fine-tuning's one setting."""

    buffer: Annotated[int, Field(ge=1)] = 2000
    """Images kept of all learned tasks together, at most; equally many of every class."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Of the cross-entropy, as fine-tuning has it."""

    def needs(self) -> tuple[Need, ...]:
        """Images of learned tasks, which the run keeps and counts."""
        return ("earlier images",)
