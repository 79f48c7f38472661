"""Predictions and accuracies on a task's test images."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from cl_bench.benchmark import matrix
from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.hand_over import inputs
from cl_bench.benchmark.image_order import ImageOrder
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.precision import autocast, tf32_products
from cl_bench.benchmark.task import LabelSpace

EVALUATION_BATCH = 256


@torch.no_grad()
def predict_all(
    method: Method, spaces: Mapping[str, LabelSpace], tests: Mapping[str, Images], precision: str
) -> dict[str, Tensor]:
    """The predicted classes of every task's test images; reads and writes no file.

    Args:
        method: what was learned so far.
        spaces: per task, what its images are classified over; one space that tasks share in a row
            is encoded once.
        tests: per task, its N test images.
        precision: ``fp32``, ``tf32``, or ``bf16`` or ``fp16`` for autocast.

    Returns:
        Per task, int64 [N] on the CPU, indices into its space's classes.

    Raises:
        NotFiniteError: the model has diverged.
    """
    normalise, predictions = method.clip.normaliser(), {}
    last: tuple[LabelSpace, Classifier] | None = None
    with autocast(method.clip.device.type, precision), tf32_products(precision == "tf32"):
        for name, labels in spaces.items():
            if last is None or last[0] != labels:
                last = (labels, method.classifier(labels))
            predictions[name] = predict(last[1], tests[name], normalise)
    return predictions


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
        UserError: the logits have 16 bits.
    """
    order = ImageOrder.as_stored(len(images))
    parts = [slice(i, i + EVALUATION_BATCH) for i in range(0, len(images), EVALUATION_BATCH)]
    predictions, largest = [], []
    for x in inputs(images, order, parts, normalise):
        logits = classify(x)  # [B, C]
        if logits.dtype in (torch.float16, torch.bfloat16):
            raise UserError(
                f"the classifier's logits are {str(logits.dtype).removeprefix('torch.')}, in which "
                "classes tie and the first of them wins: compute them by clip.logits"
            )
        chosen = logits.argmax(dim=-1)  # NaN counts as the largest
        predictions.append(chosen)
        largest.append(logits.gather(-1, chosen[:, None]))
    if not bool(torch.cat(largest).isfinite().all()):
        raise NotFiniteError("the predictions are not finite: the model has diverged")
    return torch.cat(predictions).cpu()


def accuracy(predictions: Tensor, targets: Tensor) -> float:
    """Per cent of equal entries of two int64 [N] on the CPU."""
    return matrix.accuracy((predictions == targets).numpy())
