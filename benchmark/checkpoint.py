"""A method's state on disk: tensors as safetensors, plain values as JSON inside it; no pickle."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.finite import first_not_finite
from cl_bench.benchmark.records.files import write_atomically

_SEPARATOR = "/"


@dataclass(frozen=True)
class Snapshot:
    """A nested state as it was at one moment: nothing that trains on changes it.

    Attributes:
        tensors: on the CPU, by their path in the state.
        values: JSON values, by their path.
    """

    tensors: dict[str, Tensor]
    values: dict[str, Any]

    @classmethod
    def of(cls, state: Mapping[str, Any]) -> Snapshot:
        """Copy a state; ``save_checkpoint`` says what it may hold."""
        tensors: dict[str, Tensor] = {}
        values: dict[str, Any] = {}
        for key, leaf in _leaves(state):
            if isinstance(leaf, Tensor):  # safetensors shares no storage
                tensors[key] = leaf.detach().cpu().contiguous().clone()
            else:
                values[key] = leaf
        return cls(tensors, values)

    def __or__(self, other: Snapshot) -> Snapshot:
        """Both states in one; where both hold a value, it is that of ``other``."""
        return Snapshot(self.tensors | other.tensors, self.values | other.values)

    def packed(self) -> bytes:
        """The content of a checkpoint's file."""
        return save(self.tensors, metadata={"values": json.dumps(self.values)})


def save_checkpoint(path: Path, state: Mapping[str, Any]) -> int:
    """Write a nested state atomically.

    Args:
        path: the file to make; what it held before is replaced only by a whole file.
        state: nested mappings with string keys (no ``/``); leaves are tensors or JSON values.

    Returns:
        How many numbers the tensors hold.
    """
    snapshot = Snapshot.of(state)
    write_atomically(path, snapshot.packed())
    return sum(t.numel() for t in snapshot.tensors.values())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Undo ``save_checkpoint``; tensors come on the CPU.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            flat = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (not a dict)
            flat |= json.loads(file.metadata()["values"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"cannot read the checkpoint {path}: {error}") from error
    state: dict[str, Any] = {}
    for key, leaf in flat.items():
        *parents, name = key.split(_SEPARATOR)
        inner = state
        for parent in parents:
            inner = inner.setdefault(parent, {})
        inner[name] = leaf
    return state


def must_be_finite(state: Mapping[str, Any], task: str) -> None:
    """Check a state that is to be kept after ``task``.

    Raises:
        NotFiniteError: a tensor holds a number that is not finite; names it.
    """
    tensors = {key: leaf for key, leaf in _leaves(state) if isinstance(leaf, Tensor)}
    if (key := first_not_finite(tensors)) is not None:
        raise NotFiniteError(f"the state {key} is not finite after task {task!r}")


def count_finite(path: Path) -> int:
    """How many numbers a checkpoint's tensors hold; none of them is read into memory with another.

    Raises:
        UserError: the file is missing or damaged, or holds a number that is not finite.
    """
    numbers = 0
    try:
        with safe_open(path, framework="pt") as file:
            for key in file.keys():  # noqa: SIM118 (not a dict)
                tensor = file.get_tensor(key)
                if not tensor.isfinite().all():
                    raise UserError(f"{path}: {key} holds a number that is not finite")
                numbers += tensor.numel()
    except (OSError, SafetensorError) as error:
        raise UserError(f"cannot read the checkpoint {path}: {error}") from error
    return numbers


def digest_of_state(state: Mapping[str, Any]) -> str:
    """Hexadecimal digest of a nested state: equal where every number is the same, bit for bit."""
    return hashlib.sha256(Snapshot.of(state).packed()).hexdigest()


def _leaves(state: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in state.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}{_SEPARATOR}")
        else:
            yield f"{prefix}{key}", value
