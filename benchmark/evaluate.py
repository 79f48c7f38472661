"""Predictions and accuracies of a method on a task's test images."""

from __future__ import annotations

import torch
from torch import Tensor

from cl_bench.benchmark.method import Method
from cl_bench.benchmark.task import LabelSpace, Pixels
from cl_bench.benchmark.train import autocast

EVALUATION_BATCH = 256


@torch.no_grad()
def predict(
    method: Method, labels: LabelSpace, pixels: Tensor, normalise: Pixels, precision: str
) -> Tensor:
    """The most likely class of every image.

    Args:
        method: between tasks.
        labels: what to choose between; its prompts are encoded once.
        pixels: uint8 [N, 3, S, S].
        normalise: makes the backbone's input of them.
        precision: ``fp32``, ``bf16`` or ``fp16``.

    Returns:
        int64 [N] on the CPU, indices into ``labels.classnames``.
    """
    with autocast(normalise.mean.device.type, precision):
        classify = method.classifier(labels)
        predictions = [
            classify(normalise(part)).argmax(dim=-1) for part in pixels.split(EVALUATION_BATCH)
        ]
    return torch.cat(predictions).cpu()


def accuracy(predictions: Tensor, targets: Tensor) -> float:
    """Per cent of equal entries of two int64 [N]."""
    return 100.0 * int((predictions == targets).sum()) / len(targets)
