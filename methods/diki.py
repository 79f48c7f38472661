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
from cl_bench.benchmark.task import LabelSpace, TaskStream, TrainingTask
from cl_bench.methods.configs.diki import ROUTED_TOGETHER, DIKIConfig
from cl_bench.methods.gaussians import Gaussian, fit, original_features, too_few_images
from cl_bench.methods.prefix_texts import PrefixTexts
from cl_bench.methods.residual_prefix import ResidualPrefixes

SHIFT = 1.0  # of the log density per dimension (published code)


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

    @classmethod
    def remarks(cls, clip: Clip, stream: TaskStream) -> tuple[str, ...]:
        """Tasks with fewer images than a covariance needs."""
        return too_few_images("diki", clip, stream)

    def before_task(self, task: TrainingTask) -> None:
        """Take the Gaussian of the task's original features; add a prefix that adds nothing yet."""
        self.gaussians.append(fit(self.clip, task, self.config.floor))
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
        texts = PrefixTexts(self.clip, self.prefixes["t"], labels)
        if self.config.routing == "image":
            return lambda images: self._each_by_its_own(images, texts)
        return lambda images: torch.cat(
            [self._together(part, texts) for part in images.split(ROUTED_TOGETHER)]
        )

    def _each_by_its_own(self, images: Tensor, texts: PrefixTexts) -> Tensor:
        """Logits [B, C]: a task and a weight for every image."""
        largest, tasks = self._log_densities(images).max(dim=-1)
        w = self._weight(largest)
        features = self._with_prefix(images, tasks, w)
        return texts.own_logits(features, tasks, w)

    def _together(self, images: Tensor, texts: PrefixTexts) -> Tensor:
        """Logits [B, C]: one task by a majority of the images, its texts by their mean weight."""
        densities = self._log_densities(images)  # [B, T]
        every = torch.arange(densities.shape[-1], device=densities.device)
        votes = (densities.argmax(dim=-1, keepdim=True) == every).sum(dim=0)  # [T]
        task = votes.argmax(dim=0, keepdim=True)  # [1]
        w = self._weight(densities.index_select(-1, task)[:, 0])
        features = self._with_prefix(images, task.expand(len(images)), w)
        return self.clip.logits(features, texts.encoded(task, w.mean(dim=0, keepdim=True)))

    def _log_densities(self, images: Tensor) -> Tensor:
        """Of every image and learned task: ln N(f; μ_t, Σ_t), float64 [B, T]."""
        with self.prefixes["v"].beside(None):
            f = original_features(self.clip, images)
        learned = self.gaussians[: len(self.prefixes["v"].keys)]
        return torch.stack([gaussian.log_density(f) for gaussian in learned], dim=-1)

    def _weight(self, log_density: Tensor) -> Tensor:
        """How much of a task's prefix is used."""
        D = len(self.gaussians[0].mean)
        return (log_density / D - SHIFT).sigmoid()

    def _with_prefix(self, images: Tensor, tasks: Tensor, w: Tensor) -> Tensor:
        """Features [B, D], each image with its task's prefix, int64 [B], at its own weight, [B]."""
        prefixes = self.prefixes["v"]
        with prefixes.beside(prefixes.of(tasks).scaled(w)):
            return self.clip.encode_images(images)

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
            f"weight/{i}": float(self._weight(gaussian.typical()))
            for i, gaussian in enumerate(self.gaussians, start=1)
        }
