"""Continual fine-tuning: both towers learn one task after another, and nothing holds the past."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.benchmark.tokens import cut_padding
from cl_bench.methods.configs.finetune import FineTuneConfig


class FineTune(Method):
    """Cross-entropy over every weight but the logit scale, as ZSCL's authors fine-tune."""

    Config = FineTuneConfig
    plain_weights: ClassVar[PlainWeights | None] = merged_weights
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: FineTuneConfig, assets: Assets) -> None:
        """Keep the settings."""
        super().__init__(clip, config, assets)
        self.config = config

    def before_task(self, task: TrainingTask) -> None:
        """Nothing is taken or drawn that the weights do not hold."""
        self.continue_task(task)

    def continue_task(self, task: TrainingTask) -> None:
        """Let the weights train; the task's prompts become tokens once, not in every step."""
        first = [prompts[0] for prompts in task.labels.prompts]
        self.prompts = cut_padding(self.clip.tokenize(first))
        for weight in self.clip.weights().values():
            weight.requires_grad_(True)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Both towers; the logit scale stays."""
        return self.clip.weights().values()

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the images' classes."""
        classes = F.normalize(self.clip.encode_text(self.prompts), dim=-1)  # [C, D]
        logits = self.clip.logits(self.clip.encode_images(batch.images), classes)
        return F.cross_entropy(logits, batch.targets, label_smoothing=self.config.label_smoothing)

    def after_task(self, task: TrainingTask) -> None:
        """Freeze for evaluation."""
        for weight in self.clip.weights().values():
            weight.requires_grad_(False).grad = None
