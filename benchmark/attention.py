"""Self-attention with its four projections in the open, for adapters and for looking inside."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Computes what ``nn.MultiheadAttention`` computes and keeps its parameter names.

    The library's module hands its weights to one fused function, so that nothing can be added to a
    single projection and no hook sees the projections' inputs. Here a method may set:

    Attributes:
        add_to_qkv: from the block's input [B, L, d] to what is added to q, k and v, [3, B, L, d].
        add_to_out: from the concatenated heads [B, L, d] to what is added to the output, [B, L, d].
        watch: called with ``"in"`` and the input of q, k and v, then with ``"out"`` and the input
            of the output projection, each [B, L, d].
    """

    def __init__(self, original: nn.MultiheadAttention) -> None:
        """Take over the parameters of ``original`` (batch first, packed projections, no dropout)."""
        super().__init__()
        self.in_proj_weight = original.in_proj_weight  # [3d, d]: q, k, v
        self.in_proj_bias = original.in_proj_bias  # [3d]
        self.out_proj = original.out_proj  # d -> d
        self.heads: int = original.num_heads
        self.add_to_qkv: Callable[[Tensor], Tensor] | None = None
        self.add_to_out: Callable[[Tensor], Tensor] | None = None
        self.watch: Callable[[str, Tensor], None] | None = None

    @property
    def width(self) -> int:
        """The width d of the block."""
        return self.out_proj.in_features

    def forward(
        self,
        x: Tensor,
        key: Tensor | None = None,
        value: Tensor | None = None,
        need_weights: bool = False,
        attn_mask: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """Attend within ``x`` [B, L, d]; the signature is the one that open_clip's block calls.

        ``key`` and ``value`` must be ``x`` itself; attention weights are never returned.
        """
        if self.watch is not None:
            self.watch("in", x)
        qkv = F.linear(x, self.in_proj_weight, self.in_proj_bias)  # [B, L, 3d]
        qkv = qkv.unflatten(-1, (3, self.width)).movedim(-2, 0)  # [3, B, L, d]
        if self.add_to_qkv is not None:
            qkv = qkv + self.add_to_qkv(x)
        q, k, v = qkv.unflatten(-1, (self.heads, -1)).transpose(
            -3, -2
        )  # each [B, heads, L, d/heads]
        h = F.scaled_dot_product_attention(q, k, v, attn_mask=attn_mask)
        h = h.transpose(1, 2).flatten(-2)  # [B, L, d]
        if self.watch is not None:
            self.watch("out", h)
        out = self.out_proj(h)
        if self.add_to_out is not None:
            out = out + self.add_to_out(h)
        return out, None
