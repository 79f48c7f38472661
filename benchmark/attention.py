"""Self-attention with its four projections in the open, for adapters and for looking inside."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


@dataclass(frozen=True)
class Adapter:
    """What is added to an attention block; ``None`` adds nothing there.

    Attributes:
        to_qkv: from the block's input [B, L, d] to what is added to q, k and v, [3, B, L, d].
        to_heads: from q, k and v, each [B, heads, L, d/heads], to what is added to the concatenated
            heads, [B, L, d]: a second attention over keys and values of one's own, for example.
        to_out: from the concatenated heads [B, L, d] to what is added to the output, [B, L, d].
    """

    to_qkv: Callable[[Tensor], Tensor] | None = None
    to_heads: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None
    to_out: Callable[[Tensor], Tensor] | None = None


@dataclass(frozen=True)
class Attended:
    """What flowed through an attention block in one forward pass, with what its adapters added.

    Attributes:
        x: the input of the projections of q, k and v, [B, L, d].
        q: queries [B, heads, L, d/heads].
        k: keys, shaped as q.
        v: values, shaped as q.
        heads: the concatenated heads, the input of the output projection, [B, L, d].
        out: the block's output [B, L, d].
    """

    x: Tensor
    q: Tensor
    k: Tensor
    v: Tensor
    heads: Tensor
    out: Tensor


Watcher = Callable[[Attended], None]
REPLACED = {
    "add_to_qkv": "add(Adapter(...))",
    "add_to_out": "add(Adapter(...))",
    "watch": "watch(f)",
}


class Attention(nn.Module):
    """Computes what ``nn.MultiheadAttention`` computes and keeps its parameter names.

    The library's module hands its weights to one fused function, so that nothing can be added to a
    single projection and no hook sees what is inside.
    """

    def __init__(self, original: nn.MultiheadAttention, causal: bool = False) -> None:
        """Take over the parameters of ``original`` (batch first, packed projections, no dropout).

        Args:
            original: what is replaced.
            causal: whether, without a mask, a position attends to itself and those before it alone.
        """
        super().__init__()
        self.causal = causal
        self.in_proj_weight = original.in_proj_weight  # [3d, d]: q, k, v
        self.in_proj_bias = original.in_proj_bias  # [3d]
        self.out_proj = original.out_proj  # d -> d
        self.heads: int = original.num_heads
        self.adapters: OrderedDict[int, Adapter] = OrderedDict()  # by their handles' ids
        self.watchers: OrderedDict[int, Watcher] = OrderedDict()

    @property
    def width(self) -> int:
        """The width d of the block."""
        return self.out_proj.in_features

    def add(self, adapter: Adapter) -> RemovableHandle:
        """Add to what the block computes, after the adapters that are there already.

        Returns:
            What takes this adapter away, and no other: call ``remove()`` or leave a ``with`` block.
        """
        handle = RemovableHandle(self.adapters)
        self.adapters[handle.id] = adapter
        return handle

    def watch(self, watcher: Watcher) -> RemovableHandle:
        """Call ``watcher`` at the end of every forward pass, beside those that watch already.

        Returns:
            What takes this watcher away, and no other, as ``add`` returns it.
        """
        handle = RemovableHandle(self.watchers)
        self.watchers[handle.id] = watcher
        return handle

    def forward(
        self,
        x: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """Attend within ``x`` [B, L, d]; the signature is the one that open_clip's block calls.

        ``key`` and ``value`` must be ``x`` itself; attention weights are never returned. A mask keeps a
        GPU from its fastest kernels: without one, the text tower's attention is causal by itself.
        """
        adapters = tuple(self.adapters.values())
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # [B, L, 3d]
        qkv = qkv.unflatten(-1, (3, self.width)).movedim(-2, 0)  # [3, B, L, d]
        for adapter in adapters:
            if adapter.to_qkv is not None:
                qkv = _sum(qkv, adapter.to_qkv(x))
        q, k, v = qkv.unflatten(-1, (self.heads, -1)).transpose(
            -3, -2
        )  # each [B, heads, L, d/heads]
        is_causal = self.causal and attn_mask is None
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask, is_causal=is_causal)
        h = h.transpose(1, 2).flatten(-2)  # [B, L, d]
        for adapter in adapters:
            if adapter.to_heads is not None:
                h = _sum(h, adapter.to_heads(q, k, v))
        out = self.out_proj(h)
        for adapter in adapters:
            if adapter.to_out is not None:
                out = _sum(out, adapter.to_out(h))
        for watcher in tuple(self.watchers.values()):
            watcher(Attended(x, q, k, v, h, out))
        return out, None

    def __setattr__(self, name: str, value: Any) -> None:
        """Set an attribute; those of earlier versions would be ignored and are refused."""
        if name in REPLACED:
            raise AttributeError(f"attention.{name} is not set any more: call {REPLACED[name]}")
        super().__setattr__(name, value)


def _sum(x: Tensor, added: Tensor) -> Tensor:
    """The sum of two of one shape: by mistake, [B, L, d] would fit into [3, B, L, d], too."""
    if added.shape != x.shape:
        shapes = f"{list(added.shape)} to {list(x.shape)}"
        raise ValueError(f"an adapter of an attention block added {shapes}: give it that shape")
    return x + added
