"""Scores of learned classes beside zero-shot probabilities, for images of learned domains alone (RAIL)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Classifier
from cl_bench.benchmark.precision import full_precision
from cl_bench.benchmark.task import LabelSpace
from cl_bench.methods.learned_classes import Names, places


def spread(
    columns: Tensor, tasks: Sequence[Names], labels: LabelSpace
) -> tuple[Tensor, Tensor] | None:
    """Put the columns of learned classes where these classes are among others.

    Args:
        columns: [M, C] of all learned classes, task after task.
        tasks: their class names.
        labels: L classes that an image is classified over.

    Returns:
        The columns, 0 for classes that are not learned, [M, L], and which ones are learned, bool [L];
        ``None`` where none is.
    """
    found = places(labels, tasks)
    if not found:
        return None
    counts = [len(names) for names in tasks]
    wide = columns.new_zeros(len(columns), len(labels.classnames))
    learned = torch.zeros(wide.shape[1], dtype=torch.bool)
    for names, own in zip(tasks, columns.split(counts, dim=-1), strict=True):
        if names in found:
            here = slice(found[names], found[names] + len(names))
            wide[:, here], learned[here] = own, True
    return wide, learned.to(columns.device)


def beside_zero_shot(
    clip: Clip,
    labels: LabelSpace,
    scores: Callable[[Tensor], Tensor],
    learned: Tensor,
    weight: float,
) -> Classifier:
    """A classifier of images by zero-shot logits and, where ``fused`` says so, a regression's scores.

    Args:
        clip: frozen.
        labels: L classes.
        scores: from unit features [B, D] to what ``fused`` takes, [B, L], in full precision.
        learned: bool [L].
        weight: b.
    """
    texts = clip.encode_classes(labels)

    def classify(images: Tensor) -> Tensor:
        x = clip.encode_images(images)
        with full_precision(x.device):
            of_learned = scores(x).float()
        return fused(clip.logits(x, texts), of_learned, learned, weight)

    return classify


def fused(zero_shot: Tensor, scores: Tensor, learned: Tensor, weight: float) -> Tensor:
    """What an image is classified by, [B, L].

    An image that zero-shot takes for a learned class gets (1 - b) softmax(zero-shot) + b scores; any
    other keeps zero-shot's logits as they are. The scale of the two kinds of rows differs.

    Args:
        zero_shot: logits [B, L].
        scores: of the regression, not normalised, 0 for classes that are not learned, [B, L].
        learned: bool [L].
        weight: b.
    """
    mixed = (1 - weight) * zero_shot.softmax(dim=-1) + weight * scores
    taken_for_learned = learned[zero_shot.argmax(dim=-1)]  # [B]
    return torch.where(taken_for_learned[:, None], mixed, zero_shot)
