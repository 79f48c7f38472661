"""Two models of open_clip's with tiny towers that differ in their activation, and weights for them."""

from __future__ import annotations

import warnings
from pathlib import Path

import open_clip
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

NAME = "ViT-tiny"
CONFIG = {
    "embed_dim": 16,
    "vision_cfg": {
        "image_size": 32, "layers": 2, "width": 32, "head_width": 16, "patch_size": 16,
    },
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}  # fmt: skip


def add_tiny_pair(monkeypatch: pytest.MonkeyPatch) -> str:
    """Make open_clip know both; returns the name of the one with GELU."""
    configs = open_clip.factory._MODEL_CONFIGS
    monkeypatch.setitem(configs, NAME, CONFIG)
    monkeypatch.setitem(configs, f"{NAME}-quickgelu", CONFIG | {"quick_gelu": True})
    return NAME


def tiny_tensors() -> dict[str, Tensor]:
    """A state dict that fits both."""
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = open_clip.CLIP(**CONFIG)
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def tiny_state(folder: Path, kind: str, **more: Tensor) -> Path:
    """A file of such weights, ``safetensors`` or ``pt``, with further tensors."""
    file = folder / f"weights.{kind}"
    state = tiny_tensors() | more
    save_file(state, file) if kind == "safetensors" else torch.save(state, file)
    return file
