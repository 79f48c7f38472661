"""Predictions and accuracies on a task's test images."""

from __future__ import annotations

import torch
from torch import Tensor

from cl_bench.benchmark.ahead import ahead
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Classifier
from cl_bench.benchmark.task import Pixels

EVALUATION_BATCH = 256


@torch.no_grad()
def predict(classify: Classifier, images: Images, normalise: Pixels) -> Tensor:
    """The most likely class of every image.

    Args:
        classify: a method's classifier over some label space.
        images: N of them.
        normalise: makes the backbone's input of them.

    Returns:
        int64 [N] on the CPU, indices into the label space's classes.
    """
    parts = torch.arange(len(images)).split(EVALUATION_BATCH)
    read = ahead(images.take, parts, workers=1)
    return torch.cat([classify(normalise(pixels)).argmax(dim=-1) for pixels in read]).cpu()


def accuracy(predictions: Tensor, targets: Tensor) -> float:
    """Per cent of equal entries of two int64 [N]."""
    return 100.0 * int((predictions == targets).sum()) / len(targets)
