"""The settings of RAIL's dual form."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cl_bench.benchmark.large_matrices import LargeMatrices, RunSizes
from cl_bench.benchmark.method_config import MethodConfig

Positive = Annotated[float, Field(gt=0)]


class RAILDualConfig(MethodConfig):
    """RAIL's hyper-parameters, dual form (published code, where the ridge is a constant)."""

    gamma: Positive = 0.1
    """γ of the kernel exp(-γ|x - x'|²)."""
    ridge: Positive = 0.001
    """Weight λ: of the identity that is added to the kernel matrix."""
    fusion_weight: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Share b of the regression's scores in what is decided by; 1 - b is zero-shot's."""

    def large_matrices(self, sizes: RunSizes) -> LargeMatrices:
        """The kernel matrix of all training images and its factor, in float64, as α is."""
        N, C, D = sum(sizes.images), sum(sizes.classes), sizes.features
        so_far = [sum(sizes.images[: t + 1]) for t in range(len(sizes.images))]
        return LargeMatrices(
            at_once=8 * (2 * N**2 + 3 * N * C),
            stored=N * (4 * D + 8 + 8 * C),
            flops=2.0 * sum(n**3 / 3 + 2 * n**2 * (D + C) for n in so_far),
            what=f"the kernel matrix of all {N:,} training images, {N:,} x {N:,} in float64, and its factor",
            remedy="train on fewer images (--shots 16), or take the method rail",
        )
