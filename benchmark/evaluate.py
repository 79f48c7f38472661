"""Predictions and accuracies on a task's test images."""

from __future__ import annotations

import torch
from torch import Tensor

from cl_bench.benchmark.ahead import ahead
from cl_bench.benchmark.errors import NotFiniteError
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Classifier
from cl_bench.benchmark.pixels import Pixels

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

    Raises:
        NotFiniteError: a logit is not a number or +inf, whose arg-max would be a class by chance.
    """
    parts = torch.arange(len(images)).split(EVALUATION_BATCH)
    predictions, largest = [], []
    for pixels in ahead(images.take, parts, workers=1):
        logits = classify(normalise(pixels))  # [B, C]
        chosen = logits.argmax(dim=-1)  # NaN counts as the largest
        predictions.append(chosen)
        largest.append(logits.gather(-1, chosen[:, None]))
    if not bool(torch.cat(largest).isfinite().all()):
        raise NotFiniteError("the predictions are not finite: the model has diverged")
    return torch.cat(predictions).cpu()


def accuracy(predictions: Tensor, targets: Tensor) -> float:
    """Per cent of equal entries of two int64 [N]."""
    return 100.0 * int((predictions == targets).sum()) / len(targets)
