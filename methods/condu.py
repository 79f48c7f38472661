"""ConDU: a model for every task, unified into one change of the pre-trained model and a mask for each.

Gao et al. 2025, "Enhanced Continual Learning of Vision-Language Models with Model Fusion", arXiv 2503.10705.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.hand_over import sent
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.precision import full_precision
from cl_bench.benchmark.reading import Reading
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask
from cl_bench.methods.class_prototypes import class_prototypes
from cl_bench.methods.configs.condu import ConDUConfig
from cl_bench.methods.mlp_lora import MlpLoRA
from cl_bench.methods.unified_deltas import UnifiedDeltas
from cl_bench.methods.whole_model import WholeModel

Key = tuple[str, ...]  # a task's class names


class ConDU(Method):
    """Every task is learned from the pre-trained model θ₀; its expert is θ₀ + r · M ∘ δ_U.

    An image of a learned task is classified by that task's expert. One of another task is given to θ₀ and to
    the experts whose class prototypes are nearest to it, and their logits are averaged.
    """

    Config = ConDUConfig
    told_task: ClassVar[bool] = True
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: ConDUConfig, assets: Assets) -> None:
        """Remember θ₀."""
        super().__init__(clip, config, assets)
        self.config = config
        lora = config.tuned == "lora"
        self.tuned = MlpLoRA(clip, config.rank, config.variant) if lora else WholeModel(clip)
        self.deltas = UnifiedDeltas({})
        self.keys: list[Key] = []  # of the experts
        self.prototypes: list[Tensor] = []  # of their classes, each [C, D]
        self.placed: int | None = None  # which expert is in place; None: θ₀
        self.learning = False  # within a task

    def before_task(self, task: TrainingTask) -> None:
        """Start from θ₀, whatever was learned."""
        self.tuned.begin()
        self.learning = True

    def continue_task(self, task: TrainingTask) -> None:
        """What trains came with the state."""
        self.tuned.train()
        self.learning = True

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Both towers without the logit scale, or the factors."""
        return self.tuned.parameters()

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of the images' classes."""
        self.tuned.learn()
        return self.clip.cross_entropy(batch, self.config.label_smoothing)

    def after_task(self, task: TrainingTask) -> None:
        """Unify the change with those before; θ₀ describes the classes."""
        self.learning = False
        self.deltas = self.deltas.extended(self.tuned.end())
        self.keys.append(task.labels.classnames)
        self._place(None, again=True)
        self.prototypes.append(class_prototypes(self.clip, task))

    def _place(self, which: int | None, again: bool = False) -> None:
        """Put an expert, or θ₀, in place, unless it is there."""
        if again or self.learning or which != self.placed:
            expert = None if which is None else self.deltas.experts[which]
            self.tuned.place(expert, self.deltas.unified)
            self.placed = which

    def classifier(self, labels: LabelSpace) -> Classifier:
        """By the task's own expert where it is told and learned, else by several."""
        if self.config.told() and labels.classnames in self.keys:
            return self._of_its_own(self.keys.index(labels.classnames), labels)
        return self._of_several(labels)

    def _of_its_own(self, expert: int, labels: LabelSpace) -> Classifier:
        self._place(expert)
        classes = self.clip.encode_classes(labels)

        def classify(images: Tensor) -> Tensor:
            self._place(expert)
            return self.clip.logits(self.clip.encode_images(images), classes)

        return classify

    def _of_several(self, labels: LabelSpace) -> Classifier:
        """The mean over θ₀'s logits and those of the experts that are chosen for an image.

        Every expert that is chosen for some image of a batch computes those images alone.
        """
        classes = []  # of θ₀, then of every expert, each [C, D]
        for which in (None, *range(len(self.keys))):
            self._place(which)
            classes.append(self.clip.encode_classes(labels))

        def classify(images: Tensor) -> Tensor:
            self._place(None)
            features = self.clip.encode_images(images)  # [B, D]
            total = self.clip.logits(features, classes[0])  # [B, C]
            groups = self._chosen(features)
            for expert, rows in groups.items():
                self._place(expert)
                own = sent(torch.tensor(rows), images)
                logits = self.clip.logits(self.clip.encode_images(images[own]), classes[1 + expert])
                total = total.index_add(0, own, logits)
            return total / (1 + min(self.config.chosen, len(self.keys)))

        return classify

    def _chosen(self, features: Tensor) -> dict[int, list[int]]:
        """Which rows of a batch each expert is chosen for; waits for the device once.

        Args:
            features: θ₀'s, of unit length, [B, D].
        """
        if not self.keys:
            return {}
        with full_precision(features.device):
            nearest = [(features @ own.T).amax(dim=1) for own in self.prototypes]
        scores = torch.stack(nearest, dim=1)  # [B, t]
        best = scores.topk(min(self.config.chosen, len(self.keys)), dim=1).indices
        groups: dict[int, list[int]] = {}
        for row, experts in enumerate(Reading(best).values()):
            for expert in experts:
                groups.setdefault(expert, []).append(row)
        return dict(sorted(groups.items()))

    def state_dict(self) -> dict[str, Any]:
        """The unified change, masks, factors and prototypes and, within a task, what trains."""
        experts = {
            str(i): {"classnames": list(key), "prototypes": prototypes}
            for i, (key, prototypes) in enumerate(zip(self.keys, self.prototypes, strict=True))
        }
        within = {"within_task": self.tuned.state_dict()} if self.learning else {}
        return {"deltas": self.deltas.state_dict(), "experts": experts, **within}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        device, experts = self.clip.device, state.get("experts", {})
        self.deltas = UnifiedDeltas.of_state(state.get("deltas", {}), device)
        for of in (experts[str(i)] for i in range(len(experts))):  # a file has another order
            self.keys.append(tuple(of["classnames"]))
            self.prototypes.append(of["prototypes"].to(device))
        if within := state.get("within_task", {}):
            self.tuned.load_state_dict(within)
