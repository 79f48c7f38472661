"""How far the passes over a task's images are: the totals of those that are over, and of the present one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import or_
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from cl_bench.benchmark.checkpoint import Snapshot


@runtime_checkable
class Stateful(Protocol):
    """A total that is neither a tensor nor a collection, such as a statistic."""

    def state_dict(self) -> Mapping[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> None: ...


class PassStates:
    """Numbers the passes that follow one state of a method, and holds a copy of what each has added up.

    From that state on all is repeated as it was, so that the n-th pass is the n-th again. A total that
    changes its shape, or of which no copy can be made, is left out: that pass is repeated.
    """

    def __init__(self, kept: Mapping[str, Any], device: torch.device) -> None:
        """Stand before the first pass.

        Args:
            kept: what a run that was broken off has left; empty: nothing.
            device: of the totals.
        """
        self._kept, self._device = dict(kept), device
        self._taken: dict[int, Snapshot] = {}
        self._number = -1
        self._shapes: dict[str, torch.Size | None] | None = None

    def begin(self, total: object) -> int:
        """Count a new pass, and bring its total to where it was; returns how many batches are in it."""
        self._number, self._shapes = self._number + 1, _shapes(total)
        kept = self._kept.pop(str(self._number), None)
        if kept is None or self._shapes is None:
            return 0
        with torch.no_grad():
            for path, part in _parts(total):
                if isinstance(part, Tensor):
                    part.copy_(kept["total"][path])
                else:
                    assert isinstance(part, Stateful)
                    part.load_state_dict(_moved(kept["total"][path], self._device))
        self.take(kept["batches"], total)
        return int(kept["batches"])

    def take(self, batches: int, total: object) -> None:
        """Copy the present pass's total, so many batches in."""
        if self._shapes is None or _shapes(total) != self._shapes:
            return
        parts = {
            path: part.state_dict() if isinstance(part, Stateful) else part
            for path, part in _parts(total)
        }
        state = {str(self._number): {"batches": batches, "total": parts}}
        self._taken[self._number] = Snapshot.of({"passes": state})

    def snapshot(self) -> Snapshot:
        """What the passes have added up, as a state within a task holds it."""
        return reduce(or_, self._taken.values(), Snapshot({}, {}))


def _parts(total: object, path: str = "total") -> Iterator[tuple[str, object]]:
    """The tensors and other parts of a total, each with its place in it."""
    if isinstance(total, str) or not isinstance(total, Mapping | Sequence):
        yield path, total
        return
    for i, part in enumerate(total.values() if isinstance(total, Mapping) else total):
        yield from _parts(part, f"{path}.{i}")


def _moved(state: Mapping[str, Any], device: torch.device) -> dict[str, Any]:
    return {k: x.to(device) if isinstance(x, Tensor) else x for k, x in state.items()}


def _shapes(total: object) -> dict[str, torch.Size | None] | None:
    """The shapes of a total's tensors by path, ``None`` for what has a state; ``None``: a part has none."""
    parts = dict(_parts(total))
    if not all(isinstance(part, Tensor | Stateful) for part in parts.values()):
        return None
    return {path: part.shape if isinstance(part, Tensor) else None for path, part in parts.items()}
