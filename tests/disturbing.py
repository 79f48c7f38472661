"""Which operations disturb a GPU: the host waits for it, data moves, or host and device are mixed."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

DEVICE, HOST = torch.device("cpu:0"), torch.device("cpu")  # of the stand-in for a GPU; the real one
Kind = Literal["wait", "copy", "mix"]

# What torch computes on a GPU by reading from it: a value, or the size of a result.
WAITS = {
    "_local_scalar_dense", "equal", "is_nonzero", "nonzero", "nonzero_numpy", "argwhere",
    "masked_select", "_unique", "_unique2", "unique_dim", "unique_consecutive", "bincount",
    "_coalesce", "_linalg_check_errors", "_linalg_eigh", "_linalg_svd",
}  # fmt: skip
INDEXED = {"index", "index_put", "index_put_", "_index_put_impl_"}


@dataclass(frozen=True)
class Seen:
    """One thing that would disturb a GPU.

    Attributes:
        kind: ``wait``: the host waits for the device. ``copy``: data moves, and nobody waits.
            ``mix``: host and device in one operation, which a GPU refuses.
        what: the operation.
        where: the line that asked for it, as ``file.py:123``.
        phase: the part of the work, as ``StandIn.phase`` named it.
    """

    kind: Kind
    what: str
    where: str
    phase: str

    def __str__(self) -> str:
        return f"{self.where} in {self.phase}: {self.kind}, {self.what}"


def disturbance(
    name: str, overload: str, args: Any, kwargs: Mapping[str, Any], pinned: Container[int]
) -> tuple[Kind, str] | None:
    """What a GPU would have to do for an operation beside computing it.

    Args:
        name: of torch's operation, without a namespace.
        overload: of its overload.
        args: of the call.
        kwargs: of the call.
        pinned: addresses of pinned memory.
    """
    if name in ("_to_copy", "copy_"):
        return _moved(name, args, kwargs, pinned)
    if name in INDEXED:
        return _indexed(name, args)
    if name in WAITS or (name, overload) == ("repeat_interleave", "Tensor"):
        return "wait", name
    given = tensors_in((args, tuple(kwargs.values())))
    if any(x.device != DEVICE and x.ndim > 0 for x in given):  # a number goes with the launch
        return "mix", name
    return None


def _moved(
    name: str, args: Any, kwargs: Mapping[str, Any], pinned: Container[int]
) -> tuple[Kind, str] | None:
    """A copy from one to the other; nobody waits if that is asked for and the memory is pinned."""
    source = args[1] if name == "copy_" else args[0]
    target = args[0].device if name == "copy_" else kwargs.get("device") or source.device
    if source.device == target:
        return None
    unblocked = kwargs.get("non_blocking", args[2] if len(args) > 2 else False)
    if target == DEVICE and source.untyped_storage().data_ptr() not in pinned:
        unblocked = False
    return (
        "copy" if unblocked else "wait",
        f"a copy {'to' if target == DEVICE else 'from'} the device",
    )


def _indexed(name: str, args: Any) -> tuple[Kind, str] | None:
    indices = [i for i in args[1] if i is not None]
    if any(i.device != DEVICE for i in indices):
        return "wait", "indices on the host"
    filled = name != "index" and args[2].numel() == 1  # torch fills under a mask without reading it
    if not filled and any(i.dtype in (torch.bool, torch.uint8) for i in indices):
        return "wait", "a mask as an index"
    return None


def tensors_in(args: Iterable[Any]) -> Iterator[Tensor]:
    """The tensors among an operation's arguments and in their lists."""
    for x in args:
        if isinstance(x, Tensor):
            yield x
        elif isinstance(x, list | tuple):
            yield from tensors_in(x)
