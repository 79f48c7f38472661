"""AdaptFormer: a small branch beside the MLP of a transformer block."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


class BranchBesideMLP(nn.Module):
    """y(h) = scale · s · up(ReLU(down(LN(h)))), 0 at its start; s is learned."""

    def __init__(self, width: int, bottleneck: int, scale: float) -> None:
        """Kaiming-normal down, up = 0, s = 1."""
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.down, self.up = nn.Linear(width, bottleneck), nn.Linear(bottleneck, width)
        nn.init.kaiming_normal_(self.down.weight)
        for zero in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(zero)
        self.s = nn.Parameter(self.up.bias.new_ones(1))
        self._scale = scale

    def forward(self, h: Tensor) -> Tensor:
        """The branch's output of the residual stream [N, L, d]."""
        y: Tensor = self.up(self.down(self.norm(h)).relu())
        return self._scale * self.s * y


def attach(
    blocks: Sequence[nn.Module], branches: Sequence[BranchBesideMLP]
) -> list[RemovableHandle]:
    """Let each block compute h + mlp(ln_2 h) + y(h), with h = x + attn(ln_1 x).

    Args:
        blocks: of a tower.
        branches: one for each.

    Returns:
        What takes them away again.
    """
    return [
        handle
        for block, branch in zip(blocks, branches, strict=True)
        for handle in _attached(block, branch)
    ]


def _attached(block: nn.Module, branch: BranchBesideMLP) -> tuple[RemovableHandle, RemovableHandle]:
    seen: list[Tensor] = []

    def remember(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        seen[:] = [inputs[0]]

    def add(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        together: Tensor = output + branch(seen.pop())
        return together

    return (
        block.ln_2.register_forward_pre_hook(remember),  # type: ignore[union-attr]
        block.mlp.register_forward_hook(add),  # type: ignore[union-attr]
    )
