"""Gates that open or close a task's prefix in each block for each image, by a hard Gumbel softmax (IAP)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.benchmark.precision import full_precision

HASHED = 10_000  # numbers of an image, at most, that its noise is made of
BITS = 24  # of a uniform number


class InstanceGates:
    """A linear map from an original image feature to (closed, open) for each of N blocks, per task.

    Attributes:
        weights: of T learned tasks, [T, N, 2, D].
        biases: [T, N, 2].
        new: both, of the task being learned; empty between tasks.
    """

    def __init__(self, blocks: int, dimension: int, device: torch.device) -> None:
        """No gate is there yet."""
        self.weights = torch.zeros(0, blocks, 2, dimension, device=device)
        self.biases = torch.zeros(0, blocks, 2, device=device)
        self.new: list[nn.Parameter] = []

    def begin(self) -> None:
        """Add gates for a new task, drawn as torch draws a linear layer's."""
        bound = self.weights.shape[-1] ** -0.5
        drawn = [(torch.rand(x.shape[1:]) * 2 - 1) * bound for x in (self.weights, self.biases)]
        self.new = [nn.Parameter(x.to(self.weights.device)) for x in drawn]

    def end(self) -> None:
        """Count the new gates among those of learned tasks."""
        weight, bias = (new.detach()[None] for new in self.new)
        self.weights, self.biases = (
            torch.cat([self.weights, weight]),
            torch.cat([self.biases, bias]),
        )
        self.new = []

    def drawn(self, features: Tensor, temperature: float) -> Tensor:
        """Which blocks are open in training, 0 or 1 [B, N]: hard, with the gradient of the soft choice."""
        logits = _logits(features, *self.new)
        return F.gumbel_softmax(logits, temperature, hard=True)[..., 1]

    def chosen(self, features: Tensor, tasks: Tensor, noise: Tensor | None) -> Tensor:
        """Which blocks are open at test, 0 or 1 [B, N].

        Args:
            features: of B images, [B, D].
            tasks: whose gates each image has, int64 [B].
            noise: Gumbel noise [B, N, 2]; ``None``: none.
        """
        logits = _logits(features, self.weights[tasks], self.biases[tasks])
        return (logits if noise is None else logits + noise).argmax(dim=-1).float()

    def state_dict(self) -> dict[str, Any]:
        """All learned gates and, within a task, the new ones."""
        learned = {"weights": self.weights, "biases": self.biases}
        if not self.new:
            return learned
        return learned | {"new": {"weight": self.new[0].detach(), "bias": self.new[1].detach()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        device = self.weights.device
        self.weights, self.biases = state["weights"].to(device), state["biases"].to(device)
        if new := state.get("new"):
            self.new = [nn.Parameter(new[name].to(device)) for name in ("weight", "bias")]


def _logits(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Of (closed, open), [B, N, 2], by maps [N, 2, D] or each image's own, [B, N, 2, D]."""
    with full_precision(features.device):
        logits: Tensor = (weight @ features[:, None, :, None])[..., 0] + bias
    return logits


class NoiseOfImages:
    """Gumbel noise that belongs to an image: drawn from its pixels, not from a generator.

    So it depends on the seed and on the image, and neither on the other images of a batch nor on their order.
    """

    def __init__(self, count: int, image_size: int, device: torch.device) -> None:
        """Draw what images are hashed with: ``count`` numbers of each."""
        pixels = 3 * image_size**2
        self._step = -(-pixels // HASHED)
        self._first = _odd(len(range(0, pixels, self._step))).to(device)
        self._second = _odd(count).to(device)

    def of(self, images: Tensor) -> Tensor:
        """Noise of images [B, 3, S, S], float64 [B, count]; products wrap around at 64 bits."""
        numbers = (images.flatten(1)[:, :: self._step] * 256).round().long()
        hashed = (numbers * self._first).sum(dim=-1, keepdim=True) * self._second
        highest = (hashed >> (64 - BITS)) & (2**BITS - 1)
        uniform: Tensor = (highest.double() + 0.5) / 2.0**BITS  # between 0 and 1
        return -(-uniform.log()).log()


def _odd(count: int) -> Tensor:
    """Odd numbers of 64 bits, int64 [count]."""
    return torch.randint(-(2**62), 2**62, (count,)) * 2 + 1
