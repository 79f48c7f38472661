"""Gaussians of a task's classes that share the covariance within the classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cl_bench.methods.gaussians import Gaussian, Moments


@dataclass(frozen=True)
class ClassGaussians:
    """N(f; μ_c, Σ) of C classes.

    Attributes:
        means: μ_c of the classes that have images, float32 [C, D].
        within: N(f; 0, Σ).
    """

    means: Tensor
    within: Gaussian

    @classmethod
    def of(cls, moments: Moments, floor: float) -> ClassGaussians:
        """Means, and the covariance within the classes (over n - C); ``floor`` is added to every variance."""
        there = moments.counts > 0
        counts, sums = moments.counts[there], moments.sums[there]
        means = sums / counts[:, None]
        scatter = moments.squares - means.T @ sums
        freedom = (counts.sum() - len(counts)).clamp_min(1)
        covariance = scatter / freedom + floor * torch.eye(len(scatter), device=scatter.device)
        zero = torch.zeros_like(means[0]).float()
        return cls(means.float(), Gaussian.of(zero, covariance.float(), floor))

    def scaled(self, factor: float) -> ClassGaussians:
        """The same with Σ times ``factor``."""
        return ClassGaussians(self.means, self.within.scaled(factor))

    def top_mean(self, features: Tensor, count: int) -> Tensor:
        """The mean of the ``count`` largest ln N(f; μ_c, Σ) of features [B, D], float64 [B]."""
        of_images, of_classes = self.within.whitened(features), self.within.whitened(self.means)
        squared = torch.cdist(of_images, of_classes).square()  # [B, C]
        nearest = squared.topk(min(count, len(self.means)), dim=-1, largest=False).values
        return self.within.at_mean() - nearest.mean(dim=-1) / 2

    def state_dict(self) -> dict[str, Tensor]:
        """C D + D² numbers."""
        return {"means": self.means, "covariance": self.within.covariance}

    @classmethod
    def of_state(
        cls, state: Mapping[str, Any], floor: float, device: torch.device
    ) -> ClassGaussians:
        """Undo ``state_dict``."""
        means, covariance = state["means"].to(device), state["covariance"].to(device)
        return cls(means, Gaussian.of(torch.zeros_like(means[0]), covariance, floor))
