"""Low-rank updates of q, k, v and o: beside the frozen weights while training, inside them after."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cl_bench.benchmark.attention import Adapter, Attention
from cl_bench.benchmark.clip import Clip

PROJECTIONS = ("q", "k", "v", "o")


def fresh_factor(n: int, d: int, r: int) -> Tensor:
    """LoRA's A, [n, d, r]: Kaiming-uniform with a = √5 and fan-in d; on the CPU, global generator."""
    return torch.empty(n, d, r).uniform_(-(d**-0.5), d**-0.5)


def qkv_update(x: Tensor, A: Tensor, B: Tensor) -> Tensor:
    """What x A B adds to q, k and v, [3, N, L, d].

    Args:
        x: the block's input [N, L, d].
        A: [4, d, r].
        B: [4, r, d].
    """
    d, r = A.shape[1:]
    z = x @ A[:3].transpose(0, 1).reshape(d, 3 * r)  # x A, [N, L, 3r]
    z = z.unflatten(-1, (3, r)).movedim(-2, 0).flatten(1, 2)  # [3, NL, r]
    update: Tensor = torch.bmm(z, B[:3].to(z.dtype)).unflatten(1, x.shape[:2])
    return update


def out_update(h: Tensor, A: Tensor, B: Tensor) -> Tensor:
    """What h A B adds to the output, [N, L, d], for the concatenated heads h [N, L, d]."""
    return h @ A[3] @ B[3]


class LowRank(nn.Module):
    """The updates of one attention block: y = x Wᵀ + s·x A (B − B₀), for each of q, k, v and o.

    B₀ is the value that the product is measured from: 0 for plain LoRA; for KeepLoRA the initial
    B, which is the same function as subtracting s(AB₀)ᵀ from W and training on the rest, without
    rounding W twice. The gradient of B needs x A [.., r] alone, never a full weight gradient.

    Attributes:
        A: [4, d, r], maps the input side.
        B: [4, r, d].
        B_start: B₀, [4, r, d].
        scaling: s = alpha / r.
    """

    B_start: Tensor

    def __init__(
        self, A: Tensor, B: Tensor, B_start: Tensor, scaling: float, train_A: bool
    ) -> None:
        """Start at the given factors; ``train_A`` says whether A is trained along with B."""
        super().__init__()
        # Row after row in memory, as factors come back out of a file: products round alike then.
        self.A = nn.Parameter(A.contiguous(), requires_grad=train_A)
        self.B = nn.Parameter(B.contiguous())
        self.register_buffer("B_start", B_start.contiguous())
        self.scaling = scaling

    def qkv(self, x: Tensor) -> Tensor:
        """What to add to q, k and v, [3, N, L, d], for the block's input x [N, L, d]."""
        return qkv_update(x, self.A, self.scaling * (self.B - self.B_start))

    def out(self, h: Tensor) -> Tensor:
        """What to add to the output, [N, L, d], for the concatenated heads h [N, L, d]."""
        return out_update(h, self.A, self.scaling * (self.B - self.B_start))

    @classmethod
    def of_state(cls, state: Mapping[str, Any], device: torch.device) -> LowRank:
        """The update that ``kept`` described."""
        A, B, B_start = (state[name].to(device) for name in ("A", "B", "B_start"))
        return cls(A, B, B_start, state["scaling"], state["train_A"])

    def kept(self) -> dict[str, Any]:
        """The factors and what they mean, as a checkpoint keeps them."""
        meaning = {"scaling": self.scaling, "train_A": self.A.requires_grad}
        return {**self.state_dict(), **meaning}

    @torch.no_grad()
    def merge(self, attention: Attention) -> None:
        """Move the update into the weights: W ← W + s(A(B − B₀))ᵀ."""
        delta = self.scaling * (self.A @ (self.B - self.B_start)).mT  # [4, out, in]
        attention.in_proj_weight.add_(delta[:3].flatten(0, 1))
        attention.out_proj.weight.add_(delta[3])


class Adapters:
    """One :class:`LowRank` per block and tower of a CLIP, from attaching to merging."""

    def __init__(self, clip: Clip) -> None:
        """Nothing is attached yet."""
        self._clip = clip
        self._pairs: list[tuple[LowRank, Attention]] = []
        self._handles: list[RemovableHandle] = []

    def attach_fresh(self, rank: int, scaling: float) -> list[LowRank]:
        """Put plain LoRA beside every block: A random, B zero, both to be trained."""
        fresh: dict[str, list[LowRank]] = {}
        for tower, attentions in self._clip.attentions().items():
            d, n = attentions[0].width, len(PROJECTIONS)
            fresh[tower] = []
            for _ in attentions:
                A = fresh_factor(n, d, rank).to(self._clip.device)
                B = torch.zeros(n, rank, d, device=self._clip.device)
                fresh[tower].append(LowRank(A, B, B.clone(), scaling, train_A=True))
        self.attach(fresh)
        return [update for updates in fresh.values() for update in updates]

    def attach(self, updates: dict[str, list[LowRank]]) -> None:
        """Put ``updates[tower][block]`` beside the weights of every block of both towers."""
        for tower, attentions in self._clip.attentions().items():
            for update, attention in zip(updates[tower], attentions, strict=True):
                self._pairs.append((update, attention))
                adapter = Adapter(to_qkv=update.qkv, to_out=update.out)
                self._handles.append(attention.add(adapter))

    def parameters(self) -> Iterable[nn.Parameter]:
        """The factors that train."""
        return (p for update, _ in self._pairs for p in update.parameters() if p.requires_grad)

    def merge(self) -> None:
        """Fold every update into its weights and forget it."""
        for (update, attention), handle in zip(self._pairs, self._handles, strict=True):
            update.merge(attention)
            handle.remove()
        self._pairs.clear()
        self._handles.clear()

    def state_dict(self) -> dict[str, Any]:
        """Every update in the order of ``attach``; empty where none is attached."""
        return {str(i): update.kept() for i, (update, _) in enumerate(self._pairs)}

    def load_state_dict(self, state: Mapping[str, Any]) -> list[LowRank]:
        """Put the kept updates beside the weights again; returns them in the order of ``attach``."""
        if not state:
            return []
        kept = iter([LowRank.of_state(state[str(i)], self._clip.device) for i in range(len(state))])
        towers = self._clip.attentions().items()
        self.attach({tower: [next(kept) for _ in blocks] for tower, blocks in towers})
        return [update for update, _ in self._pairs]
