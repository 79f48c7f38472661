"""All weights of a CLIP, trained anew for every task from where the first one began (ConDU)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.benchmark.clip import Clip
from cl_bench.methods.unified_deltas import Deltas, Expert


class WholeModel:
    """Every weight but the logit scale; its change is that of the weight."""

    def __init__(self, clip: Clip) -> None:
        """Remember the pre-trained weights, θ₀."""
        self._weights = clip.weights()
        self._start = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._aside: dict[str, Tensor] = {}  # what trains, while others are in its place

    def begin(self) -> None:
        """Start from θ₀."""
        self.place(None, {})
        self.train()

    def train(self) -> None:
        """Let what is in place train."""
        for weight in self._weights.values():
            weight.requires_grad_(True)

    def parameters(self) -> list[nn.Parameter]:
        """What trains."""
        return list(self._weights.values())

    @torch.no_grad()
    def learn(self) -> None:
        """Compute with what trains."""
        for name, weight in self._aside.items():
            self._weights[name].copy_(weight)
        self._aside = {}

    @torch.no_grad()
    def end(self) -> dict[str, Tensor]:
        """Freeze; returns how much each weight changed."""
        self.learn()
        for weight in self._weights.values():
            weight.requires_grad_(False).grad = None
        return {name: weight - self._start[name] for name, weight in self._weights.items()}

    @torch.no_grad()
    def place(self, expert: Expert | None, unified: Deltas) -> None:
        """Compute with θ₀, or with θ₀ + δ̃ of an expert."""
        if not self._aside and any(weight.requires_grad for weight in self._weights.values()):
            self._aside = {name: weight.clone() for name, weight in self._weights.items()}
        for name, weight in self._weights.items():
            weight.copy_(self._start[name])
            if expert is not None:
                weight.add_(expert.delta(name, unified[name]))

    def state_dict(self) -> dict[str, Any]:
        """What trains, within a task."""
        self.learn()
        return {name: weight.detach() for name, weight in self._weights.items()}

    @torch.no_grad()
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        for name, weight in self._weights.items():
            weight.copy_(state[name])
