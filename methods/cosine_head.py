"""A cosine classifier over image features, beside the text classifier (KeepLoRA+)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.passes import summed
from cl_bench.benchmark.precision import at_least_float32, full_precision
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.finite import must_be_finite

SCALE = 30.0  # published code
LEAST_LENGTH = (
    1e-2  # of w: the gradient of a class without images, whose w is 0, is not above 100 x
)


class CosineHead(nn.Module):
    """Logits 30·cos(f, w_c) for unit features f.

    Attributes:
        w: one direction per class, [C, D].
    """

    def __init__(self, w: Tensor) -> None:
        """Start at the given directions."""
        super().__init__()
        self.w = nn.Parameter(w)

    def forward(self, features: Tensor) -> Tensor:
        """Logits [B, C] of unit features [B, D]."""
        with full_precision(self.w.device):
            directions = F.normalize(self.w, dim=-1, eps=LEAST_LENGTH)
            return SCALE * at_least_float32(features) @ directions.T

    @classmethod
    @torch.no_grad()
    def of_class_means(cls, clip: Clip, task: TrainingTask) -> CosineHead:
        """Start at the unit-length class means of the task's image features.

        A class without images starts at 0, and so does its logit.

        Raises:
            NotFiniteError: a feature is not finite; names the task.
        """

        def add(total: Tensor, batch: Batch) -> Tensor:
            return total.index_add_(0, batch.targets, clip.encode_images(batch.images).float())

        zero = torch.zeros(len(task.labels.classnames), clip.model.visual.output_dim)
        sums, _ = summed(task.epoch(plain=True), add, zero.to(clip.device))
        must_be_finite({"the sum of a class's image features": sums}, task.name)
        return cls(F.normalize(sums, dim=-1))
