"""Ranks of what belongs together, by the scores that a method's own classifier gives to images and captions."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.evaluate import must_not_be_short, parts_of
from cl_bench.benchmark.hand_over import inputs
from cl_bench.benchmark.image_order import ImageOrder
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Classifier
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.processes.group import rank, size
from cl_bench.benchmark.processes.sums import add_up, total_of
from cl_bench.benchmark.recall import Ranks


@dataclass(frozen=True)
class Paired:
    """Which caption belongs to which image.

    Attributes:
        columns: of every caption, which class of the classifier it is, int64 [M]: one text is one class.
        images: of every caption, its image, int64 [M].
    """

    columns: Tensor
    images: Tensor

    @property
    def texts(self) -> int:
        """How many classes there are: every one is some caption's."""
        return int(self.columns.max()) + 1


@torch.no_grad()
def ranks_of(classify: Classifier, images: Images, paired: Paired, normalise: Pixels) -> Ranks:
    """Compare every image with every caption.

    Several processes share the images as they do in ``predict_all``; every one gets all ranks.

    Args:
        classify: over the texts as classes.
        images: N of them.
        paired: with M captions.
        normalise: makes the backbone's input of images.

    Raises:
        NotFiniteError: an image has a score that is not a number or +inf, or no finite one.
        UserError: the scores have 16 bits, or are not of these texts.
    """
    of_images = torch.zeros(len(images), dtype=torch.int64)
    of_true = torch.zeros(len(paired.images), dtype=torch.float64)  # captions with their images
    kept, broken = [], 0
    for rows, scores in _scored(classify, images, paired.texts, normalise):
        every = scores[:, paired.columns]  # [B, M]
        own = paired.images == rows[:, None]
        best = every.where(own, -torch.inf).amax(dim=1, keepdim=True)
        of_images[rows] = 1 + ((every >= best) & ~own).sum(dim=1)
        at, captions = own.nonzero(as_tuple=True)
        of_true[captions] = every[at, captions].double()
        broken += int((~every.amax(dim=1).isfinite()).sum())
        kept.append(every)
    if total_of(broken):
        raise NotFiniteError("the scores of captions are not finite: the model has diverged")
    true = add_up(of_true)
    above = torch.zeros(len(true), dtype=torch.int64)  # images with such a score, its own included
    for every in kept:
        above += (every >= true).sum(dim=0)
    return Ranks(_stored(add_up(of_images)), _stored(add_up(above)))


def _scored(
    classify: Classifier, images: Images, texts: int, normalise: Pixels
) -> Iterator[tuple[Tensor, Tensor]]:
    """The images that this process compares, int64 [B], and their scores on the CPU, [B, texts]."""
    own = parts_of(images)[rank() :: size()]
    order = ImageOrder.as_stored(len(images))
    for part, x in zip(own, inputs(images, order, own, normalise), strict=True):
        scores = classify(x)
        must_not_be_short(scores)
        if scores.shape != (len(x), texts):
            raise UserError(
                f"the classifier gives scores of the shape {tuple(scores.shape)} for {len(x)} images and {texts} "
                "classes"
            )
        yield torch.arange(part.start, part.start + len(x)), scores.cpu()


def _stored(ranks: Tensor) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return ranks.numpy().astype(np.uint32)
