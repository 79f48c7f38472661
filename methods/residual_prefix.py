"""Keys and values of a task's own beside an attention block's, with a softmax of their own (DIKI).

The tokens' attention stays what it was; what a prefix adds is zero while its values are, and w times the
values add w times as much. The image of another task is so left alone by a small w.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cl_bench.benchmark.attention import Adapter, Attention
from cl_bench.benchmark.precision import at_least_float32


@dataclass(frozen=True)
class Prefix:
    """What N blocks attend to besides their tokens.

    Attributes:
        keys: P_k, [N, P, d], or each sample's own, [B, N, P, d]; B = 1 is of all samples, too.
        values: P_v, shaped as the keys.
    """

    keys: Tensor
    values: Tensor

    def scaled(self, weight: Tensor | float) -> Prefix:
        """What adds ``weight`` times as much; [B] or [B, N]: one for each sample, or each of its blocks."""
        if isinstance(weight, Tensor):
            weight = weight.float().view(len(weight), -1, 1, 1)
        return Prefix(self.keys, self.values * weight)


def attend(q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """softmax(q P_kᵀ/√(d/heads)) P_v of every head, the heads concatenated: [B, L, d].

    Args:
        q: queries [B, heads, L, d/heads].
        keys: [P, d] or [B, P, d]; no block's projection touches them.
        values: shaped as the keys.
    """
    k, v = (x.unflatten(-1, (q.shape[1], -1)).transpose(-3, -2) for x in (keys, values))
    scores = q @ k.mT / q.shape[-1] ** 0.5  # [B, heads, L, P]
    shares = at_least_float32(scores).softmax(dim=-1)  # as attention itself does under autocast
    heads: Tensor = shares.type_as(v) @ v
    return heads.transpose(1, 2).flatten(-2)


class ResidualPrefixes:
    """The prefixes of one tower: one of every learned task, and that of the task being learned.

    Attributes:
        keys: of T learned tasks, [T, N, P, d].
        values: shaped as the keys.
        new: P_k and P_v of the task being learned, which train; empty between tasks.
    """

    def __init__(self, blocks: Sequence[Attention], length: int, device: torch.device) -> None:
        """Nothing is beside the N ``blocks`` yet; ``length`` is P."""
        self._blocks = blocks
        self._handles: list[RemovableHandle] = []
        self._beside: Prefix | None = None
        self.keys = torch.zeros(0, len(blocks), length, blocks[0].width, device=device)
        self.values = torch.zeros_like(self.keys)
        self.new: list[nn.Parameter] = []

    def begin(self) -> None:
        """Add a prefix for a new task: keys uniform between -1 and 1, values zero."""
        keys = torch.rand(self.keys.shape[1:]) * 2 - 1
        self._train(keys.to(self.keys.device), self.values.new_zeros(keys.shape))

    def _train(self, keys: Tensor, values: Tensor) -> None:
        """Put it beside the blocks, to stay there while it trains."""
        self.new = [nn.Parameter(keys), nn.Parameter(values)]
        self._put(Prefix(*self.new))

    def end(self) -> None:
        """Count the new prefix among those of learned tasks."""
        keys, values = (new.detach()[None] for new in self.new)
        self.keys = torch.cat([self.keys, keys])
        self.values = torch.cat([self.values, values])
        self.new = []
        self._put(None)

    def of(self, tasks: Tensor | int) -> Prefix:
        """The prefix of a learned task or, for int64 [B], of each sample's; no 0-d tensor, which is waited for."""
        return Prefix(self.keys[tasks], self.values[tasks])

    @contextmanager
    def beside(self, prefix: Prefix | None) -> Iterator[None]:
        """Inside, this prefix in the place of what is there; ``None``: the untouched CLIP."""
        before = self._beside
        self._put(prefix)
        try:
            yield
        finally:
            self._put(before)

    def _put(self, prefix: Prefix | None) -> None:
        for handle in self._handles:
            handle.remove()
        self._beside, self._handles = prefix, []
        if prefix is not None:
            self._handles = [
                block.add(Adapter(to_heads=partial(_of_block, prefix, i)))
                for i, block in enumerate(self._blocks)
            ]

    def state_dict(self) -> dict[str, Any]:
        """Every learned prefix and, within a task, the new one."""
        learned = {"keys": self.keys, "values": self.values}
        if not self.new:
            return learned
        return learned | {"new": {"keys": self.new[0].detach(), "values": self.new[1].detach()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        device = self.keys.device
        self.keys, self.values = state["keys"].to(device), state["values"].to(device)
        if new := state.get("new"):
            self._train(new["keys"].to(device), new["values"].to(device))


def _of_block(prefix: Prefix, i: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What block ``i`` adds to its heads."""
    return attend(q, prefix.keys[..., i, :, :], prefix.values[..., i, :, :])
