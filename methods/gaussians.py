"""Gaussians over CLIP's image features, one for each learned task: how likely an image is under each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.passes import summed
from cl_bench.benchmark.precision import full_precision
from cl_bench.benchmark.task import Batch, TaskStream, TrainingTask
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
        along = (features.double() - self.mean.double()) @ self.axes  # [B, D]
        D = len(self.variances)
        constant = self.variances.log().sum() + D * math.log(2 * math.pi)
        return -((along.square() / self.variances).sum(dim=-1) + constant) / 2

    def typical(self) -> Tensor:
        """The mean of ln N over a large sample of N, a float64 scalar."""
        D = len(self.variances)
        return -(self.variances.log().sum() + D * math.log(2 * math.pi) + D) / 2

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


def dimension(clip: Clip) -> int:
    """D, the numbers of a feature."""
    return int(clip.model.text_projection.shape[1])


def too_few_images(method: str, clip: Clip, stream: TaskStream) -> tuple[str, ...]:
    """A line that names the tasks with too few training images for a covariance of full rank, if there are any."""
    needed = dimension(clip) + 1
    few = [f"{task.name} ({len(task.train)})" for task in stream.tasks if len(task.train) < needed]
    if not few:
        return ()
    return (
        f"{method}: a covariance of {needed - 1} features needs {needed} training images, and there are fewer "
        f"of {', '.join(few)}: outside of the directions that these span, the variance of such a task is the "
        "setting floor alone, and hardly an image but its own training images gets its prefix",
    )


def fit(clip: Clip, task: TrainingTask, floor: float) -> Gaussian:
    """Mean and covariance (over n - 1) of the features of a task's n images, in one pass over them.

    Args:
        clip: with nothing beside its weights.
        task: whose training images.
        floor: added to every variance.

    Raises:
        NotFiniteError: they are not finite; names the task.
    """
    D = dimension(clip)

    def add(total: list[Tensor], batch: Batch) -> list[Tensor]:
        f = original_features(clip, batch.images).double()
        for part, more in zip(total, (f.sum(dim=0), f.T @ f), strict=True):
            part += more
        return total

    start = [
        torch.zeros(shape, dtype=torch.float64, device=clip.device) for shape in ((D,), (D, D))
    ]
    (first, second), _ = summed(task.epoch(plain=True), add, start)
    n, mean = len(task), first / len(task)
    scatter = second - n * torch.outer(mean, mean)
    covariance = scatter / max(n - 1, 1) + floor * torch.eye(D, device=clip.device)
    found = {"mean": mean.float(), "covariance": covariance.float()}
    must_be_finite({f"the {name} of the image features": x for name, x in found.items()}, task.name)
    return Gaussian.of(**found, floor=floor)
