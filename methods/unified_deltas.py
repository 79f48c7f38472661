"""Many changes of one model kept as a single one, with a mask of bits and a factor for each (ConDU)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from torch import Tensor

from cl_bench.methods.bit_masks import packed, unpacked

Deltas = Mapping[str, Tensor]  # tensors of a model by name -> how much they changed


@dataclass(frozen=True)
class Expert:
    """One of the changes: δ̃ = r · M ∘ δ_U.

    Attributes:
        masks: M, packed, by name.
        rescaler: r.
    """

    masks: Mapping[str, Tensor]
    rescaler: float

    def delta(self, name: str, unified: Tensor) -> Tensor:
        """δ̃ of the tensor called ``name``, whose δ_U is given."""
        return torch.where(unpacked(self.masks[name], unified.shape), unified, 0).mul_(
            self.rescaler
        )


@dataclass(frozen=True)
class UnifiedDeltas:
    """What t changes have become.

    Attributes:
        unified: δ_U by name.
        experts: one for each change.
    """

    unified: Deltas
    experts: tuple[Expert, ...] = ()

    @torch.no_grad()
    def extended(self, new: Deltas) -> UnifiedDeltas:
        """Unify the changes so far, as they can still be told, with a new one.

        Per scalar: s = the sign of their mean, 0 counting as negative; δ_U = s times the largest |δ| among
        those of this sign; M_i = [δ_i s > 0]. r_i = Σ mean|δ_i| / Σ mean|M_i ∘ δ_U|, the means over each
        tensor by itself and the sums over tensors.
        """
        count = len(self.experts) + 1
        unified: dict[str, Tensor] = {}
        masks: list[dict[str, Tensor]] = [{} for _ in range(count)]
        sizes: Tensor | float = 0.0  # Σ mean|δ_i| and Σ mean|M_i ∘ δ_U|, [2, t]
        for name, last in new.items():
            deltas = [e.delta(name, self.unified[name]) for e in self.experts] + [last]
            unified[name], agree = unify(deltas)
            left = [torch.where(mask, unified[name], 0) for mask in agree]
            sizes = sizes + torch.stack([_sizes(deltas), _sizes(left)])
            for of, mask in zip(masks, agree, strict=True):
                of[name] = packed(mask)
        assert isinstance(sizes, Tensor), "there are tensors"
        return UnifiedDeltas(unified, tuple(map(_expert, masks, *sizes.tolist())))

    def state_dict(self) -> dict[str, Any]:
        """All of it, as a checkpoint keeps it."""
        experts = {
            str(i): {"masks": e.masks, "rescaler": e.rescaler} for i, e in enumerate(self.experts)
        }
        return {"unified": self.unified, "experts": experts}

    @classmethod
    def of_state(cls, state: Mapping[str, Any], device: torch.device) -> UnifiedDeltas:
        """What ``state_dict`` described."""
        experts = state.get("experts", {})
        return cls(
            _on(state.get("unified", {}), device),
            tuple(
                Expert(_on(experts[str(i)]["masks"], device), experts[str(i)]["rescaler"])
                for i in range(len(experts))
            ),
        )


def unify(deltas: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """δ_U of changes of one tensor, and for each change where it has δ_U's sign, bool."""
    positive = reduce(torch.add, deltas) > 0
    agree = [torch.where(positive, d > 0, d < 0) for d in deltas]
    largest = torch.zeros_like(deltas[0])
    for delta, mask in zip(deltas, agree, strict=True):
        largest = torch.maximum(largest, torch.where(mask, delta.abs(), 0))
    return torch.where(positive, largest, -largest), agree


def _sizes(deltas: Sequence[Tensor]) -> Tensor:
    """mean|δ| of each, float64."""
    return torch.stack([delta.abs().mean(dtype=torch.float64) for delta in deltas])


def _expert(masks: Mapping[str, Tensor], whole: float, left: float) -> Expert:
    """Of a change that lost every sign nothing is left: no factor brings it back."""
    return Expert(masks, whole / left if left > 0 else 0.0)


def _on(tensors: Deltas, device: torch.device) -> dict[str, Tensor]:
    return {name: tensor.to(device) for name, tensor in tensors.items()}
