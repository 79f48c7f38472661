"""Sequential full fine-tuning: every weight follows the newest task. The classic lower bound."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from cl_bench.benchmark.method import Method
from cl_bench.benchmark.task import TrainingTask


class FineTune(Method):
    """Continue training both towers on each task in turn, with nothing to protect the past.

    The logit scale stays frozen, as in ZSCL's continual fine-tuning (arXiv 2303.06628, table 3).
    """

    def before_task(self, task: TrainingTask) -> None:
        """Let every weight but the logit scale train."""
        self.clip.requires_grad_(True)
        self.clip.model.logit_scale.requires_grad_(False)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Both towers."""
        return (p for p in self.clip.parameters() if p.requires_grad)

    def after_task(self, task: TrainingTask) -> None:
        """Freeze again, so that evaluation keeps no graph."""
        self.clip.requires_grad_(False)
