"""LoRA beside the two matrices of every MLP, trained anew for every task (ConDU)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.benchmark.clip import Clip
from cl_bench.methods.unified_deltas import Deltas, Expert

STD = 0.01  # of the entries of a fresh factor
Factors = dict[str, Tensor]  # "<matrix>.A" [r, in] and "<matrix>.B" [out, r]


class MlpLoRA:
    """y = W x + B A x for the c_fc and c_proj of every block of both towers.

    What changes, and is unified, is by ``variant`` of ConDU's settings: every factor by itself, measured from a
    fixed draw that is not the one that training starts from (``released``); or W by B A, where B starts at zero
    (``product``).
    """

    def __init__(self, clip: Clip, rank: int, variant: Literal["released", "product"]) -> None:
        """Attach nothing yet but the places for it."""
        self._rank, self._variant = rank, variant
        self._matrices = {
            f"{tower}.{i}.{name}": getattr(block.mlp, name)
            for tower, blocks in clip.blocks().items()
            for i, block in enumerate(blocks)
            for name in ("c_fc", "c_proj")
        }
        self._trained: dict[str, nn.Parameter] = {}
        self._beside: Mapping[str, Tensor] = {}  # the factors that are computed with; none: W alone
        if variant == "released":
            fixed = torch.Generator().manual_seed(
                0
            )  # the same in every run, as a saved file would be
            self._start: Factors = self._drawn(fixed)
        else:
            self._start = {name: m.weight.detach().clone() for name, m in self._matrices.items()}
        for name, matrix in self._matrices.items():
            matrix.register_forward_hook(partial(self._added, name))

    def _drawn(self, generator: torch.Generator | None = None) -> Factors:
        """Fresh factors, all N(0, 0.01²); on the CPU, then moved."""
        drawn: Factors = {}
        for name, matrix in self._matrices.items():
            out, into = matrix.weight.shape
            for factor, shape in (("A", (self._rank, into)), ("B", (out, self._rank))):
                entries = STD * torch.randn(shape, generator=generator)
                drawn[f"{name}.{factor}"] = entries.to(matrix.weight.device)
        return drawn

    def _added(self, name: str, _: nn.Module, x: tuple[Tensor], y: Tensor) -> Tensor:
        """The hook of a matrix."""
        if not self._beside:
            return y
        return y + F.linear(F.linear(x[0], self._beside[f"{name}.A"]), self._beside[f"{name}.B"])

    def begin(self) -> None:
        """Draw fresh factors; with ``product``, B is zero."""
        drawn = self._drawn()
        if self._variant == "product":
            drawn |= {name: torch.zeros_like(B) for name, B in drawn.items() if name.endswith(".B")}
        self._trained = {name: nn.Parameter(factor) for name, factor in drawn.items()}
        self.place(None, {})
        self.train()

    def train(self) -> None:
        """Let the factors train."""
        self.learn()

    def parameters(self) -> list[nn.Parameter]:
        """What trains."""
        return list(self._trained.values())

    def learn(self) -> None:
        """Compute with what trains, beside the pre-trained matrices."""
        if self._beside is not self._trained:
            self.place(None, {})
            self._beside = self._trained

    @torch.no_grad()
    def end(self) -> dict[str, Tensor]:
        """Take the factors away; returns how much each of them, or each matrix, changed."""
        trained, self._trained, self._beside = self._trained, {}, {}
        if self._variant == "released":
            return {name: factor.detach() - self._start[name] for name, factor in trained.items()}
        return {name: trained[f"{name}.B"] @ trained[f"{name}.A"] for name in self._matrices}

    @torch.no_grad()
    def place(self, expert: Expert | None, unified: Deltas) -> None:
        """Compute with the pre-trained model, or with an expert."""
        self._beside = {}
        if self._variant == "product":
            for name, matrix in self._matrices.items():
                matrix.weight.copy_(self._start[name])
                if expert is not None:
                    matrix.weight.add_(expert.delta(name, unified[name]))
        elif expert is not None:
            self._beside = {
                name: start + expert.delta(name, unified[name])
                for name, start in self._start.items()
            }

    def state_dict(self) -> dict[str, Any]:
        """The factors that train, within a task."""
        return {name: factor.detach() for name, factor in self._trained.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        for name, matrix in self._matrices.items():  # in their order, which the optimizer goes by
            for factor in (f"{name}.A", f"{name}.B"):
                self._trained[factor] = nn.Parameter(state[factor].to(matrix.weight.device))
