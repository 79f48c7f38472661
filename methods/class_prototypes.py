"""A vector for each class of a task, of its images and its prompt (ConDU)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.passes import summed
from cl_bench.benchmark.precision import full_precision
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.finite import must_be_finite


@torch.no_grad()
def class_prototypes(clip: Clip, task: TrainingTask) -> Tensor:
    """(mean image feature + prompt's feature) / 2, normalised, [C, D] float32.

    Args:
        clip: computes the features, all of unit length.
        task: one pass over its training images, as it trains with them; its classes' first prompts.

    Raises:
        NotFiniteError: one of them is not finite; names the task.
    """
    texts = clip.encode_classes(task.labels)  # [C, D]

    def add(total: list[Tensor], batch: Batch) -> list[Tensor]:
        features = clip.encode_images(batch.images).double()  # [B, D]
        total[0].index_add_(0, batch.targets, features)
        total[1].index_add_(0, batch.targets, torch.ones_like(features[:, 0]))
        return total

    start = [torch.zeros_like(texts, dtype=torch.float64)]
    start.append(torch.zeros_like(start[0][:, 0]))
    with full_precision(clip.device):
        (sums, counts), _ = summed(task.epoch(), add, start)
    images = sums / counts.clamp_min(1)[:, None]  # of a class without images: the prompt alone
    prototypes = F.normalize((images + texts.double()) / 2, dim=-1).float()
    must_be_finite({"the matrix of class prototypes": prototypes}, task.name)
    return prototypes
