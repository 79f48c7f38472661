"""Gaussians over CLIP's image features, one for each learned task: how likely an image is under each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.passes import summed
from cl_bench.benchmark.precision import full_precision
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.finite import must_be_finite


@dataclass(frozen=True)
class Gaussian:
    """N(f; μ, Σ) over features f.

    Attributes:
        mean: μ, float32 [D].
        covariance: Σ, its floor added, float32 [D, D].
        variances: along Σ's principal axes, float64 [D].
        axes: these, as columns, float64 [D, D].
    """

    mean: Tensor
    covariance: Tensor
    variances: Tensor
    axes: Tensor

    @classmethod
    def of(cls, mean: Tensor, covariance: Tensor, floor: float) -> Gaussian:
        """Find the axes of Σ; no variance is below ``floor``.

        A Cholesky factor gives the same density, but there is none where rounding has made a variance of
        the floor's size negative.
        """
        variances, axes = torch.linalg.eigh(covariance.double())
        return cls(mean, covariance, variances.clamp_min(floor), axes)

    def log_density(self, features: Tensor) -> Tensor:
        """Of features [B, D]: ln N(f; μ, Σ), float64 [B]."""
        return self.at_mean() - self.whitened(features).square().sum(dim=-1) / 2

    def whitened(self, features: Tensor) -> Tensor:
        """Σ^(-1/2) (f - μ) along the principal axes of features [B, D], float64 [B, D]."""
        along = (features.double() - self.mean.double()) @ self.axes
        return along / self.variances.sqrt()

    def scaled(self, factor: float) -> Gaussian:
        """N(f; μ, factor·Σ)."""
        return replace(self, covariance=self.covariance * factor, variances=self.variances * factor)

    def at_mean(self) -> Tensor:
        """The largest ln N, a float64 scalar."""
        D = len(self.variances)
        return -(self.variances.log().sum() + D * math.log(2 * math.pi)) / 2

    def typical(self) -> Tensor:
        """The mean of ln N over a large sample of N, a float64 scalar."""
        return self.at_mean() - len(self.variances) / 2

    def state_dict(self) -> dict[str, Tensor]:
        """D + D² numbers."""
        return {"mean": self.mean, "covariance": self.covariance}

    @classmethod
    def of_state(cls, state: Mapping[str, Any], floor: float, device: torch.device) -> Gaussian:
        """Undo ``state_dict``."""
        return cls.of(state["mean"].to(device), state["covariance"].to(device), floor)


def original_features(clip: Clip, images: Tensor) -> Tensor:
    """Unit features [B, D] of images, float32 whatever the precision: densities tell small distances."""
    with torch.no_grad(), full_precision(clip.device):
        return clip.encode_images(images)


def weight(log_density: Tensor, dimension: int) -> Tensor:
    """How much of a task's prefix an image gets, w = sigmoid(ln N/D - 1), by DIKI's published code."""
    return (log_density / dimension - 1).sigmoid()


def dimension(clip: Clip) -> int:
    """D, the numbers of a feature."""
    return int(clip.model.text_projection.shape[1])


@dataclass(frozen=True)
class Moments:
    """Sums over the features of a task's n images, float64.

    Attributes:
        counts: images of every class, [C].
        sums: Σ f of every class, [C, D].
        squares: Σ f fᵀ of all, [D, D].
    """

    counts: Tensor
    sums: Tensor
    squares: Tensor

    @classmethod
    def of(cls, clip: Clip, task: TrainingTask) -> Moments:
        """One pass over the task's training images, by a CLIP with nothing beside its weights."""
        C, D = len(task.labels.classnames), dimension(clip)
        classes = torch.arange(C, device=clip.device)[:, None]

        def add(total: list[Tensor], batch: Batch) -> list[Tensor]:
            f = original_features(clip, batch.images).double()  # [B, D]
            members = (batch.targets == classes).double()  # [C, B]
            for part, more in zip(total, (members.sum(dim=-1), members @ f, f.T @ f), strict=True):
                part += more
            return total

        shapes = ((C,), (C, D), (D, D))
        start = [torch.zeros(s, dtype=torch.float64, device=clip.device) for s in shapes]
        total, _ = summed(task.epoch(plain=True), add, start)
        return cls(*total)

    def gaussian(self, floor: float, task: str) -> Gaussian:
        """Mean and covariance (over n - 1) of all features.

        Args:
            floor: added to every variance.
            task: the task's name.

        Raises:
            NotFiniteError: they are not finite; names the task.
        """
        n = self.counts.sum()
        mean = self.sums.sum(dim=0) / n
        scatter = self.squares - n * torch.outer(mean, mean)
        covariance = scatter / (n - 1).clamp_min(1) + floor * torch.eye(len(mean), device=n.device)
        found = {"mean": mean.float(), "covariance": covariance.float()}
        must_be_finite({f"the {name} of the image features": x for name, x in found.items()}, task)
        return Gaussian.of(**found, floor=floor)
