"""RAIL's settings, primal form."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from cl_bench.benchmark.large_matrices import LargeMatrices, RunSizes
from cl_bench.benchmark.method_config import MethodConfig

Positive = Annotated[float, Field(gt=0)]


class RAILConfig(MethodConfig):
    """RAIL's hyper-parameters, primal form (published config ``analytic_clip.yaml``)."""

    hidden: Annotated[int, Field(ge=1)] = 15_000
    """Random features M; R is M x M."""
    ridge: Positive = 0.1
    """Weight λ of the squared norm of W."""
    fusion_weight: Annotated[float, Field(ge=0, le=1)] = 0.8
    """Share b of the regression's scores in what is decided by; 1 - b is zero-shot's."""
    recursion: Literal["float32", "float64"] = "float32"
    """Arithmetic in which R and W are kept and updated."""

    def large_matrices(self, sizes: RunSizes) -> LargeMatrices:
        """R and the random projection; W has a column for every class."""
        size = 8 if self.recursion == "float64" else 4
        M, C = self.hidden, sum(sizes.classes)
        each = 4 * M**2 + 6 * M * C + 2 * M * sizes.features  # of one image
        projection = 4 * M * sizes.features
        kept = size * M * (M + C) + projection
        return LargeMatrices(
            at_once=kept,
            stored=kept,
            flops=float(each * sum(sizes.images) * size / 4),
            what=f"R, {M:,} x {M:,} in {self.recursion} (hidden = {M:,})",
            remedy="set a smaller hidden",
        )
