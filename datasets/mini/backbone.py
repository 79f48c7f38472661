"""The tiny CLIP's files: an open_clip config, and weights small enough to ship."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

CONFIG = Path(__file__).with_name("tiny_clip.json")
WEIGHTS = Path(__file__).with_name("tiny_clip.safetensors")
TOKENS = "token_embedding.weight"


def new_model(vocab_size: int | None = None) -> open_clip.CLIP:
    """Return the tiny CLIP with random weights, on request with a smaller token table."""
    config: dict[str, Any] = json.loads(CONFIG.read_text())
    config["text_cfg"]["vocab_size"] = vocab_size or config["text_cfg"]["vocab_size"]
    return open_clip.CLIP(**config)


def load_state(weights: Path, vocab_size: int) -> dict[str, Tensor]:
    """Return the complete fp32 state dict of an open_clip model from ``weights``.

    The file holds fp16 tensors, and of the token table only the rows seen in pretraining:
    ``token_ids`` [K] int32 and ``token_rows`` [K, W]. All other rows are drawn from a seeded
    normal distribution as wide as the trained ones, so that unknown words still differ.

    Args:
        weights: the safetensors file.
        vocab_size: rows of the token table, 49408 for open_clip's standard tokenizer.

    Returns:
        Every parameter by its open_clip name, fp32.
    """
    with safe_open(weights, framework="pt") as file:
        notes = file.metadata()
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    ids, rows = state.pop("token_ids").long(), state.pop("token_rows").float()
    generator = torch.Generator().manual_seed(int(notes["token_seed"]))
    table = torch.randn(vocab_size, rows.shape[1], generator=generator) * float(notes["token_std"])
    table[ids] = rows
    return {name: tensor.float() for name, tensor in state.items()} | {TOKENS: table}


def save_state(state: dict[str, Tensor], ids: Sequence[int], seed: int, path: Path) -> None:
    """Write what ``load_state`` reads, all at once: readers never see half a file.

    Args:
        state: the trained model's parameters, with a token table of only the rows ``ids``.
        ids: the number of each of those rows in the full table.
        seed: draws the other rows.
        path: where to write.
    """
    rows = state[TOKENS]
    kept = {name: tensor.half().contiguous() for name, tensor in state.items() if name != TOKENS}
    kept |= {"token_ids": torch.tensor(ids, dtype=torch.int32), "token_rows": rows.half()}
    notes = {"token_seed": str(seed), "token_std": f"{rows.std().item():.6f}"}
    partial = path.with_suffix(".partial")
    save_file(kept, partial, metadata=notes)
    partial.replace(path)
