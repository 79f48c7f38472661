"""The features of a task's training images, each computed once."""

from __future__ import annotations

import torch
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.passes import summed
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.finite import must_be_finite


@torch.no_grad()
def image_features(
    clip: Clip, task: TrainingTask, *, plain: bool = False, normalised: bool = True
) -> tuple[Tensor, Tensor]:
    """One pass over a task's images.

    Args:
        clip: computes the features.
        task: whose images.
        plain: without the run's augmentation.
        normalised: of unit length; else as the image tower gives them.

    Returns:
        In the order in which the task stores its N images: features, float32 [N, D], and classes, int64 [N].

    Raises:
        NotFiniteError: a feature is not finite; names the task.
    """

    def add(total: list[Tensor], batch: Batch) -> list[Tensor]:
        features, targets = total
        features.index_copy_(0, batch.indices, encode(batch.images))
        targets.index_copy_(0, batch.indices, batch.targets)
        return total

    encode = clip.encode_images if normalised else clip.model.visual
    count, device = len(task), clip.device
    nothing = [
        torch.zeros(count, clip.model.visual.output_dim, device=device),
        torch.zeros(count, dtype=torch.int64, device=device),
    ]
    (features, targets), _ = summed(task.epoch(plain=plain), add, nothing)
    must_be_finite({"the features of the training images": features}, task.name)
    return features, targets
