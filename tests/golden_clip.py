"""The recorded tiny CLIP and access to recorded numbers (``tests/goldens``)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors.torch import load_file
from torch import Tensor

from cl_bench.benchmark.clip import Clip

FOLDER = Path(__file__).parent / "goldens"


def recorded(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts of one golden; half-precision inputs are exact and come as float32."""
    tensors = load_file(FOLDER / f"{name}.safetensors")
    facts = json.loads((FOLDER / f"{name}.json").read_text())
    return {k: t.float() if t.dtype == torch.float16 else t for k, t in tensors.items()}, facts


def golden_clip() -> Clip:
    """The tiny random CLIP that the published implementations were run on."""
    tensors, facts = recorded("tiny_clip")
    model = open_clip.CLIP(**facts["open_clip"])
    state = {k: t for k, t in tensors.items() if "/" not in k and not k.startswith("token_")}
    table = torch.zeros_like(model.token_embedding.weight)
    table[tensors["token_ids"].long()] = tensors["token_rows"]
    state["token_embedding.weight"] = table
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert set(missing) <= {"attn_mask"} and not unexpected
    return Clip(model, open_clip.get_tokenizer("ViT-B-16"))


def images(stored: Tensor) -> Tensor:
    """int8 [n, 3, 32, 32] as the normalised images that they mean."""
    return stored.float() / 32


def projector_distance(U: Tensor, V: Tensor) -> float:
    """‖UUᵀ − VVᵀ‖_F of two orthonormal bases [d, k]."""
    U, V = U.double(), V.double()
    return float((U @ U.T - V @ V.T).norm())


def relative(measured: Tensor, expected: Tensor) -> float:
    """‖measured − expected‖ / ‖expected‖."""
    return float((measured.double() - expected.double()).norm() / expected.double().norm())
