"""Frozen image encoders that an auto-selector looks through: AlexNet, and the tiny CLIP's own blocks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision.models import alexnet as build_alexnet

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets import backbones
from cl_bench.datasets.mini.suite import tiny_clip

TINY_BLOCKS = 2


def alexnet(weights: Path, device: str) -> Callable[[Tensor], Tensor]:
    """AlexNet up to conv5, before its ReLU: [B, 3, 224, 224] -> [B, 43264] (MoE-Adapters, DDAS).

    It is fed CLIP's normalisation, as published.

    Raises:
        UserError: the file does not hold AlexNet's weights.
    """
    model = build_alexnet(weights=None)
    try:
        with weights.open("rb") as stream:  # given a name, torch goes by its ending
            state = torch.load(stream, map_location="cpu", weights_only=True)
        model.load_state_dict(state)
    except Exception as error:  # damaged bytes may raise anything
        # torch's own words on a pickle advise to trust it; a mismatch takes two lines to be named
        words = "it is not a file of plain tensors"
        if isinstance(error, RuntimeError) and "state_dict" in str(error):
            words = " ".join(line.strip() for line in str(error).splitlines()[1:3])
        raise UserError(
            f"--selector-weights {weights} does not hold torchvision's AlexNet: {words}"
        ) from error
    features = model.features[:-2].to(device).eval().requires_grad_(False)
    return nn.Sequential(features, nn.Flatten())


def tiny_tokens(device: str) -> Callable[[Tensor], Tensor]:
    """The pretrained tiny CLIP's tokens after two blocks: [B, 3, 32, 32] -> [B, 16 * 192]."""
    visual = backbones.load(tiny_clip(), device).model.visual.requires_grad_(False)
    visual.transformer.resblocks = visual.transformer.resblocks[:TINY_BLOCKS]
    visual.output_tokens = True
    return partial(_tokens, visual)


def _tokens(visual: nn.Module, images: Tensor) -> Tensor:
    tokens: Tensor = visual(images)[1]
    return tokens.flatten(1)
