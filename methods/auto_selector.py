"""DDAS: one auto-encoder per distribution; the one that reconstructs an image best is chosen for it.

Distribution Discriminative Auto-Selector, section 3.3 of Yu et al. 2024, arXiv 2403.11549.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from cl_bench.benchmark.precision import full_precision

LR_DROP_EVERY, LR_DROP = 10, 0.1  # epochs; factor
WEIGHT_DECAY = 1e-4


class AutoEncoder(nn.Module):
    """sigmoid(dec relu(enc z)) of features z in [0, 1], [B, F]."""

    def __init__(self, features: int, hidden: int) -> None:
        """Random weights."""
        super().__init__()
        self.enc = nn.Linear(features, hidden)
        self.dec = nn.Linear(hidden, features)

    def forward(self, z: Tensor) -> Tensor:
        """The reconstruction [B, F]."""
        reconstruction: Tensor = self.dec(self.enc(z).relu()).sigmoid()
        return reconstruction

    def errors(self, z: Tensor) -> Tensor:
        """Mean squared error of every image, [B]."""
        errors: Tensor = (self(z) - z).square().mean(dim=-1)
        return errors


def fit(
    encoder: AutoEncoder, features: Iterator[Tensor], steps: int, steps_per_epoch: int, lr: float
) -> list[float]:
    """Train an auto-encoder to reconstruct.

    Args:
        encoder: what to train, in place.
        features: batches of z = sigmoid of the selector's features, [B, F].
        steps: of Adam with weight decay 1e-4.
        steps_per_epoch: the rate falls to a tenth every ten times as many steps.
        lr: where it starts.

    Returns:
        The loss before every step.
    """
    encoder.requires_grad_(True)
    optimizer = torch.optim.Adam(encoder.parameters(), lr, weight_decay=WEIGHT_DECAY)
    # Not StepLR: it multiplies the last rate at every drop, which rounds differently than a power does.
    drop_every = LR_DROP_EVERY * steps_per_epoch
    schedule = LambdaLR(optimizer, lambda step: LR_DROP ** (step // drop_every))
    losses = []
    with torch.enable_grad():
        for _ in range(steps):
            z = next(features)
            loss = F.mse_loss(encoder(z), z)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
    encoder.requires_grad_(False)
    return torch.stack(losses).tolist()


def route(errors: Tensor, threshold: float) -> Tensor:
    """Which router each column of errors goes to, int64 [N]; -1 is the untouched CLIP.

    Args:
        errors: [K, N] of K auto-encoders; the first one's distribution belongs to no task.
        threshold: a smallest error above it belongs to no task either.
    """
    smallest, k = errors.min(dim=0)
    return torch.where(smallest > threshold, 0, k) - 1


class AutoSelector:
    """The auto-encoders of a run: the reference set's first, then one for every task.

    Attributes:
        encoders: in that order.
    """

    def __init__(self, selector: Callable[[Tensor], Tensor], hidden: int, threshold: float) -> None:
        """Look at images through ``selector``: [B, 3, S, S] -> [B, F]."""
        self.encoders: list[AutoEncoder] = []
        self._selector = selector
        self._hidden = hidden
        self._threshold = threshold

    @torch.no_grad()
    def features(self, images: Tensor) -> Tensor:
        """Z = sigmoid(selector(images)), float32 [B, F], whatever the precision."""
        with full_precision(images.device):
            return self._selector(images).float().sigmoid()

    def encoder(self, k: int, images: Tensor) -> AutoEncoder:
        """Auto-encoder ``k``; made with random weights, like all before it, if it is new."""
        while len(self.encoders) <= k:
            width = self.features(images[:1]).shape[-1]
            new = AutoEncoder(width, self._hidden).to(images.device).requires_grad_(False)
            self.encoders.append(new)
        return self.encoders[k]

    @torch.no_grad()
    def choose(self, images: Tensor, together: int) -> Tensor:
        """The router of every image [B, 3, S, S], int64 [B].

        Args:
            images: to be routed.
            together: how many images in a row share their mean error and hence their router.
        """
        z = self.features(images)
        with full_precision(z.device):  # the auto-encoders were trained in it, and errors are near
            errors = torch.stack([encoder.errors(z) for encoder in self.encoders])  # [K, B]
        means = torch.stack([part.mean(dim=-1) for part in errors.split(together, dim=-1)], dim=-1)
        return route(means, self._threshold).repeat_interleave(together)[: len(images)]
