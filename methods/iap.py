"""IAP: DIKI's prefixes with a gate per image and block, and weights refined by the densities of classes.

Fu et al. 2025, "IAP: Improving Continual Learning of Vision-Language Models via Instance-Aware Prompting",
ICML, arXiv 2503.20612.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask
from cl_bench.methods.class_gaussians import ClassGaussians
from cl_bench.methods.configs.iap import IAPConfig
from cl_bench.methods.gaussians import (
    Gaussian,
    Moments,
    dimension,
    original_features,
    weight,
)
from cl_bench.methods.instance_gates import InstanceGates, NoiseOfImages
from cl_bench.methods.prefix_routing import Choice, most_likely, routed
from cl_bench.methods.residual_prefix import Prefix, ResidualPrefixes


class IAP(Method):
    """O = g_0·A + g_1·(A + w·P) in a block, A and P the tokens' and the prefix's attention, g_0 + g_1 = 1.

    In the image tower g is a hard Gumbel softmax of a linear map of the original image feature; in the text
    tower g_1 = 1. A task trains its keys, values and gates with w = 1.
    """

    Config = IAPConfig

    def __init__(self, clip: Clip, config: IAPConfig, assets: Assets) -> None:
        """No prefix and no gate is there yet."""
        super().__init__(clip, config, assets)
        self.config = config
        depth = {"v": config.vision_depth, "t": config.text_depth}
        blocks = {tower: of[: depth[tower]] for tower, of in clip.attentions().items()}
        self.prefixes = {
            tower: ResidualPrefixes(of, config.length, clip.device) for tower, of in blocks.items()
        }
        N = len(blocks["v"])
        self.gates = InstanceGates(N, dimension(clip), clip.device)
        self.noise = NoiseOfImages(2 * N, clip.image_size, clip.device)
        self.gaussians: list[Gaussian] = []
        self.classes: list[ClassGaussians] = []

    def before_task(self, task: TrainingTask) -> None:
        """Take the Gaussians of the task and its classes; add a prefix that adds nothing yet, and gates."""
        floor, moments = self.config.floor, Moments.of(self.clip, task)
        self.gaussians.append(moments.gaussian(floor, task.name))
        self.classes.append(ClassGaussians.of(moments, floor))
        for prefixes in self.prefixes.values():
            prefixes.begin()
        self.gates.begin()

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """The task's keys and values in both towers, and its gates."""
        return (*self.prefixes["v"].new, *self.prefixes["t"].new, *self.gates.new)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy, with gates drawn for every image."""
        vision = self.prefixes["v"]
        g_1 = self.gates.drawn(self._original(batch.images), self.config.temperature)  # [B, N]
        with vision.beside(Prefix(*vision.new).scaled(g_1)):
            features = self.clip.encode_images(batch.images)
        logits = self.clip.logits(features, self.clip.encode_classes(batch.labels))
        return F.cross_entropy(logits, batch.targets)

    def after_task(self, task: TrainingTask) -> None:
        """Keep prefix and gates; no later task changes them."""
        for prefixes in self.prefixes.values():
            prefixes.end()
        self.gates.end()

    def classifier(self, labels: LabelSpace) -> Classifier:
        """Encode every image twice: to choose its prefix, weight and gates, and with them."""
        if not len(self.gates.weights):  # nothing was learned
            return super().classifier(labels)
        return routed(self.clip, self.prefixes, labels, self.config.routing, self._choose)

    def _choose(self, images: Tensor) -> Choice:
        """The likeliest task of each image, or of most; its weight; and where its gates are open."""
        f = self._original(images)
        learned = [
            of.scaled(self.config.task_scale) for of in self.gaussians[: len(self.gates.weights)]
        ]
        densities = torch.stack([of.log_density(f) for of in learned], dim=-1)  # [B, T]
        tasks = most_likely(densities, self.config.routing)
        w = self._calibrated(f, _own(densities, tasks), tasks)
        noise = self.noise.of(images).unflatten(-1, (-1, 2)) if self.config.test_noise else None
        g_1 = self.gates.chosen(f, tasks, noise)
        return Choice(tasks, w, in_blocks=w[:, None] * g_1)

    def _calibrated(self, f: Tensor, log_density: Tensor, tasks: Tensor) -> Tensor:
        """0 or 1 where the task's density is clear, else by the densities of the task's classes, [B]."""
        c, D = self.config, f.shape[-1]
        learned = [of.scaled(c.class_scale) for of in self.classes[: len(self.gates.weights)]]
        by_class = torch.stack([of.top_mean(f, c.top_classes) for of in learned], dim=-1)
        w, between = weight(log_density, D), weight(_own(by_class, tasks), D)
        return torch.where(w < c.lower, 0.0, torch.where(w > c.upper, 1.0, between))

    def _original(self, images: Tensor) -> Tensor:
        """Features [B, D] by the untouched CLIP."""
        with self.prefixes["v"].beside(None):
            return original_features(self.clip, images)

    def state_dict(self) -> dict[str, Any]:
        """Prefixes, gates and Gaussians; CLIP itself never changes."""
        return {
            "prefixes": {tower: of.state_dict() for tower, of in self.prefixes.items()},
            "gates": self.gates.state_dict(),
            "gaussians": {str(i): of.state_dict() for i, of in enumerate(self.gaussians)},
            "classes": {str(i): of.state_dict() for i, of in enumerate(self.classes)},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        for tower, of in self.prefixes.items():
            of.load_state_dict(state["prefixes"][tower])
        self.gates.load_state_dict(state["gates"])
        floor, device = self.config.floor, self.clip.device
        tasks, classes = state.get("gaussians", {}), state.get("classes", {})
        places = [str(i) for i in range(len(tasks))]
        self.gaussians = [Gaussian.of_state(tasks[i], floor, device) for i in places]
        self.classes = [ClassGaussians.of_state(classes[i], floor, device) for i in places]


def _own(of_tasks: Tensor, tasks: Tensor) -> Tensor:
    """Of each row of [B, T] the number of its task, int64 [B]."""
    return of_tasks.gather(-1, tasks[:, None])[:, 0]
