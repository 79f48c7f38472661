"""Gated rank-1 components beside the six matrices of a block: q, k, v, o and both of the MLP."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cl_bench.benchmark.attention import Adapter, Attention
from cl_bench.methods.low_rank import PROJECTIONS, fresh_factor, out_update, qkv_update

MATRICES = (*PROJECTIONS, "fc", "proj")  # in the order of the gates


class GatedLowRank(nn.Module):
    """The updates of one block: y = x Wᵀ + x A diag(g) B, for each of six matrices.

    A component whose gate is zero contributes nothing. The block's width is d, its MLP's is h.

    Attributes:
        A: [4, d, r] of q, k, v and o.
        B: [4, r, d].
        A_fc: [d, r] of the MLP's first matrix.
        B_fc: [r, h].
        A_proj: [h, r] of its second.
        B_proj: [r, d].
        gates: [6, r], in the order of ``MATRICES``.
    """

    def __init__(self, start: Mapping[str, Tensor], train_gates: bool) -> None:
        """Start at the given tensors, named as the attributes."""
        super().__init__()
        self.A, self.B = nn.Parameter(start["A"]), nn.Parameter(start["B"])
        self.A_fc, self.B_fc = nn.Parameter(start["A_fc"]), nn.Parameter(start["B_fc"])
        self.A_proj, self.B_proj = nn.Parameter(start["A_proj"]), nn.Parameter(start["B_proj"])
        self.gates = nn.Parameter(start["gates"], train_gates)

    @classmethod
    def fresh(cls, block: nn.Module, rank: int, train_gates: bool) -> GatedLowRank:
        """A Kaiming-uniform, B zero, gates from N(0, 1); on the block's device, drawn on the CPU."""
        d, h, device = _attention(block).width, _linear(block, "c_fc").out_features, _device(block)
        start = {
            "A": fresh_factor(len(PROJECTIONS), d, rank),
            "B": torch.zeros(len(PROJECTIONS), rank, d),
            "A_fc": fresh_factor(1, d, rank)[0],
            "B_fc": torch.zeros(rank, h),
            "A_proj": fresh_factor(1, h, rank)[0],
            "B_proj": torch.zeros(rank, d),
            "gates": torch.randn(len(MATRICES), rank),
        }
        return cls({name: t.to(device) for name, t in start.items()}, train_gates)

    def _gated(self) -> Tensor:
        """diag(g) B of q, k, v and o, [4, r, d]."""
        return self.gates[:4, :, None] * self.B

    def _gated_fc(self) -> Tensor:
        """diag(g) B of the MLP's first matrix, [r, h]."""
        return self.gates[4, :, None] * self.B_fc

    def _gated_proj(self) -> Tensor:
        """diag(g) B of its second, [r, d]."""
        return self.gates[5, :, None] * self.B_proj

    def beside(self, block: nn.Module) -> list[RemovableHandle]:
        """Add the updates to what the block computes, until the handles are removed."""
        adapter = Adapter(
            to_qkv=lambda x: qkv_update(x, self.A, self._gated()),
            to_out=lambda h: out_update(h, self.A, self._gated()),
        )
        return [
            _attention(block).add(adapter),
            _linear(block, "c_fc").register_forward_hook(
                lambda _, x, y: y + x[0] @ self.A_fc @ self._gated_fc()
            ),
            _linear(block, "c_proj").register_forward_hook(
                lambda _, x, y: y + x[0] @ self.A_proj @ self._gated_proj()
            ),
        ]

    @torch.no_grad()
    def merge(self, block: nn.Module) -> Tensor:
        """W ← W + (A diag(g) B)ᵀ.

        Returns:
            ‖ΔW‖² of the six matrices together, a scalar on the device.
        """
        delta = (self.A @ self._gated()).mT  # [4, out, in]
        fc, proj = (self.A_fc @ self._gated_fc()).T, (self.A_proj @ self._gated_proj()).T
        _attention(block).in_proj_weight.add_(delta[:3].flatten(0, 1))
        _attention(block).out_proj.weight.add_(delta[3])
        _linear(block, "c_fc").weight.add_(fc)
        _linear(block, "c_proj").weight.add_(proj)
        return torch.stack([part.square().sum() for part in (delta, fc, proj)]).sum()


def _attention(block: nn.Module) -> Attention:
    return block.attn  # type: ignore[return-value]


def _linear(block: nn.Module, name: str) -> nn.Linear:
    return getattr(block.mlp, name)  # type: ignore[no-any-return]


def _device(block: nn.Module) -> torch.device:
    return _attention(block).in_proj_weight.device
