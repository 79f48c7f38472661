"""LADA's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from cl_bench.benchmark.large_matrices import LargeMatrices, RunSizes
from cl_bench.benchmark.method_config import MethodConfig

Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=0)]


class LADAConfig(MethodConfig):
    """LADA's hyper-parameters (published code, ``clip_vit_b16.yaml``)."""

    bottleneck: Annotated[int, Field(ge=1)] = 16
    """Width of the text tower's adapters."""
    adapter_scale: Positive = 0.1
    """What an adapter's output is multiplied by, beside its learned scale."""
    clusters: Count = 16
    """Centres of every class, at most; fewer where it has fewer images. 0: no second classifier."""
    alpha: Positive = 1.0
    """Weight of a centre's exp(-beta (1 - f.w))."""
    beta: Positive = 1.0
    """Sharpness of a centre."""
    components: Count = 4
    """Gaussians of every class that are drawn from while later tasks are learned. 0: no replay."""
    replay_weight: Positive = 64.0
    """What a component's share of its class is multiplied by in the loss; an image counts 1."""

    def large_matrices(self, sizes: RunSizes) -> LargeMatrices:
        """What is kept of every class: a text feature, centres and Gaussians."""
        D, kept = sizes.features, 0
        for images, classes in zip(sizes.images, sizes.classes, strict=True):
            each = images // classes
            centres, gaussians = min(self.clusters, each), min(self.components, each)
            kept += classes * (4 * (D + centres * D + gaussians * (D + 2)) + centres)
        features = max(sizes.images) * (4 * D + 8)
        return LargeMatrices(
            at_once=kept + features,
            stored=kept,
            flops=0.0,
            what=f"{self.clusters} centres and {self.components} Gaussians for each of "
            f"{sum(sizes.classes):,} classes, and the features of a task's images",
            remedy="set fewer clusters or components",
        )

    def knows_tasks_by_names(self) -> bool:
        """A task's centres, mixtures and text features are found by its class names."""
        return True

    def remarks(self, images: Mapping[str, Sequence[int]], features: int) -> tuple[str, ...]:
        """Tasks with classes that have fewer images than Gaussians."""
        few = {
            task: [count for count in counts if count < self.components]
            for task, counts in images.items()
        }
        return tuple(
            f"lada: {len(counts)} of {len(images[task])} classes of {task} have fewer than "
            f"{self.components} training images (the fewest: {min(counts)}), so as many Gaussians are "
            "fitted to them as they have images, and none to a class without images"
            for task, counts in few.items()
            if counts
        )
