"""DIKI: residual key-value prefixes per task, scaled by how likely an image is under the task's Gaussian.

Tang et al. 2024, "Mind the Interference: Retaining Pre-trained Knowledge in Parameter Efficient Continual
Learning of Vision-Language Models", ECCV, arXiv 2407.05342; published code lloongx/DIKI.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.task import LabelSpace, TrainingTask
from cl_bench.methods.configs.diki import DIKIConfig
from cl_bench.methods.gaussians import (
    Gaussian,
    Moments,
    dimension,
    original_features,
    weight,
)
from cl_bench.methods.prefix_routing import Choice, most_likely, routed
from cl_bench.methods.residual_prefix import ResidualPrefixes


class DIKI(Method):
    """In the first blocks, O = softmax(qKᵀ)V + w·softmax(qP_kᵀ)P_v; a task trains its P_k and P_v with w = 1.

    At test, w = sigmoid(ln N(f; μ_t, Σ_t)/D - 1) of the original image feature f and the task t whose
    Gaussian has the largest density there.
    """

    Config = DIKIConfig
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: DIKIConfig, assets: Assets) -> None:
        """No prefix is there yet."""
        super().__init__(clip, config, assets)
        self.config = config
        depth = {"v": config.vision_depth, "t": config.text_depth}
        self.prefixes = {
            tower: ResidualPrefixes(attentions[: depth[tower]], config.length, clip.device)
            for tower, attentions in clip.attentions().items()
        }
        self.gaussians: list[Gaussian] = []

    def before_task(self, task: TrainingTask) -> None:
        """Take the Gaussian of the task's original features; add a prefix that adds nothing yet."""
        moments = Moments.of(self.clip, task)
        self.gaussians.append(moments.gaussian(self.config.floor, task.name))
        for prefixes in self.prefixes.values():
            prefixes.begin()

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """The task's keys and values in both towers; ``loss`` is cross-entropy with them in place."""
        return (new for prefixes in self.prefixes.values() for new in prefixes.new)

    def after_task(self, task: TrainingTask) -> None:
        """Keep the prefix; no later task changes it."""
        for prefixes in self.prefixes.values():
            prefixes.end()

    def classifier(self, labels: LabelSpace) -> Classifier:
        """Encode every image twice: to choose its prefix, and with it."""
        if not len(self.prefixes["v"].keys):  # nothing was learned
            return super().classifier(labels)
        return routed(self.clip, self.prefixes, labels, self.config.routing, self._choose)

    def _choose(self, images: Tensor) -> Choice:
        """The likeliest task of each image, or of most; w by the image's own density there."""
        densities = self._log_densities(images)  # [B, T]
        tasks = most_likely(densities, self.config.routing)
        w = weight(densities.gather(-1, tasks[:, None])[:, 0], dimension(self.clip))
        return Choice(tasks, w, in_blocks=w)

    def _log_densities(self, images: Tensor) -> Tensor:
        """Of every image and learned task: ln N(f; μ_t, Σ_t), float64 [B, T]."""
        with self.prefixes["v"].beside(None):
            f = original_features(self.clip, images)
        learned = self.gaussians[: len(self.prefixes["v"].keys)]
        return torch.stack([gaussian.log_density(f) for gaussian in learned], dim=-1)

    def state_dict(self) -> dict[str, Any]:
        """Prefixes and Gaussians; CLIP itself never changes."""
        return {
            "prefixes": {tower: of.state_dict() for tower, of in self.prefixes.items()},
            "gaussians": {str(i): of.state_dict() for i, of in enumerate(self.gaussians)},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        for tower, of in self.prefixes.items():
            of.load_state_dict(state["prefixes"][tower])
        kept, floor, device = state.get("gaussians", {}), self.config.floor, self.clip.device
        self.gaussians = [Gaussian.of_state(kept[str(i)], floor, device) for i in range(len(kept))]

    def diagnostics(self) -> dict[str, float]:
        """The weight of each task's prefix at the typical density of its own images: ``weight/<place>``."""
        return {
            f"weight/{i}": float(weight(gaussian.typical(), dimension(self.clip)))
            for i, gaussian in enumerate(self.gaussians, start=1)
        }
