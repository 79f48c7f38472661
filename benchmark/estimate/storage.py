"""What a method holds in memory and what a run keeps on disk, in bytes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

OTHERS = ("open_clip", "torch")  # their objects that are no modules, such as tokenizers, hold none
PLAIN = (str, bytes, int, float, bool, type(None), type)


def state_bytes(state: Mapping[str, Any]) -> int:
    """Bytes of a method's state in a checkpoint: its tensors, and what names and describes them."""
    total = 0
    for key, leaf in state.items():
        if isinstance(leaf, Mapping):
            total += state_bytes(leaf)
        elif isinstance(leaf, Tensor):
            total += leaf.numel() * leaf.element_size() + len(key) + 100  # of the file's header
        else:
            total += len(key) + len(str(leaf))
    return total


def held_storage(holder: object) -> dict[int, int]:
    """The tensors that an object holds, in whatever it consists of: bytes by address."""
    found: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [holder]
    while waiting:
        value = waiting.pop()
        if id(value) in seen or isinstance(value, PLAIN):
            continue
        seen.add(id(value))
        if isinstance(value, Tensor):
            size = value.numel() * value.element_size()
            found[value.data_ptr()] = max(found.get(value.data_ptr(), 0), size)
        elif isinstance(value, nn.Module):
            waiting += [*value.parameters(), *value.buffers(), *vars(value).values()]
        elif isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list | tuple | set | frozenset):
            waiting += value
        elif hasattr(value, "__dict__") and not type(value).__module__.startswith(OTHERS):
            waiting += vars(value).values()
    return found
