"""Which learned task's prefix a test image gets, and what it is classified as with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Classifier
from cl_bench.benchmark.task import LabelSpace
from cl_bench.methods.configs.diki import ROUTED_TOGETHER
from cl_bench.methods.prefix_texts import PrefixTexts
from cl_bench.methods.residual_prefix import ResidualPrefixes

Routing = Literal["image", "batch"]


@dataclass(frozen=True)
class Choice:
    """What B images get; under batch routing they share a task.

    Attributes:
        tasks: int64 [B].
        weights: between 0 and 1, [B]; of the text prefix, too.
        in_blocks: of the image prefix: the weights again, or [B, N] of each of its N blocks.
    """

    tasks: Tensor
    weights: Tensor
    in_blocks: Tensor


def most_likely(log_densities: Tensor, routing: Routing) -> Tensor:
    """The task of every image, int64 [B], by log densities [B, T]: its own largest, or what most have."""
    own = log_densities.argmax(dim=-1)
    if routing == "image":
        return own
    every = torch.arange(log_densities.shape[-1], device=own.device)
    votes = (own[:, None] == every).sum(dim=0)  # [T]
    return votes.argmax().expand(len(own))


def routed(
    clip: Clip,
    prefixes: Mapping[str, ResidualPrefixes],
    labels: LabelSpace,
    routing: Routing,
    choose: Callable[[Tensor], Choice],
) -> Classifier:
    """A classifier that encodes images and classes beside the chosen prefixes.

    Args:
        clip: whose towers they are beside.
        prefixes: of the towers ``"v"`` and ``"t"``.
        labels: what is chosen between.
        routing: ``batch``: images share one task and one text weight, the mean of theirs.
        choose: from images [B, 3, S, S].
    """
    texts = PrefixTexts(clip, prefixes["t"], labels)

    def classify(images: Tensor) -> Tensor:
        chosen, vision = choose(images), prefixes["v"]
        with vision.beside(vision.of(chosen.tasks).scaled(chosen.in_blocks)):
            features = clip.encode_images(images)
        if routing == "image":
            return texts.own_logits(features, chosen.tasks, chosen.weights)
        mean = chosen.weights.mean(dim=0, keepdim=True)
        return clip.logits(features, texts.encoded(chosen.tasks[:1], mean))

    if routing == "image":
        return classify
    return lambda images: torch.cat([classify(part) for part in images.split(ROUTED_TOGETHER)])
