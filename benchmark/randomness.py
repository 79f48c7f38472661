"""The generators that belong to the whole process: seeded per task, kept and restored in its middle."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int, name: str) -> torch.Generator:
    """Seed Python, numpy and torch from ``seed`` and ``name``; returns a CPU generator of its own."""
    derived = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4])
    random.seed(derived)
    np.random.seed(derived)
    torch.manual_seed(derived)
    return torch.Generator().manual_seed(derived)


def random_states(device: torch.device) -> dict[str, Any]:
    """What Python, numpy and torch will draw next, on the CPU and on the GPU ``device``."""
    version, words, gauss = random.getstate()
    of_numpy: dict[str, Any] = np.random.get_state(legacy=False)
    key = torch.from_numpy(of_numpy["state"]["key"].astype(np.int64))
    states = {
        "python": {"version": version, "words": torch.tensor(words), "gauss": gauss},
        "numpy": of_numpy | {"state": {"key": key, "pos": of_numpy["state"]["pos"]}},
        "torch": torch.get_rng_state(),
    }
    return states | ({"cuda": torch.cuda.get_rng_state(device)} if device.type == "cuda" else {})


@contextmanager
def drawing_apart(device: torch.device) -> Iterator[None]:
    """What is drawn after this is what would have been drawn without it."""
    states = random_states(device)
    yield
    restore_random_states(states, device)


def restore_random_states(states: Mapping[str, Any], device: torch.device) -> None:
    """Undo ``random_states``."""
    of_python, of_numpy = states["python"], states["numpy"]
    words = tuple(of_python["words"].tolist())
    random.setstate((of_python["version"], words, of_python["gauss"]))
    key = of_numpy["state"]["key"].numpy().astype(np.uint32)
    np.random.set_state({**of_numpy, "state": {**of_numpy["state"], "key": key}})
    torch.set_rng_state(states["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)
