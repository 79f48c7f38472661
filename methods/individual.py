"""Per-task fine-tuning: a model of its own for every task, each from the pre-trained one. A bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask
from cl_bench.methods.configs.individual import IndividualConfig

Key = tuple[str, ...]  # a task's class names


class Individual(Method):
    """Nothing is shared and nothing is forgotten: what a task can give when it is learned alone.

    A learned task is classified by its own model, which its class names select; any other task by
    the pre-trained CLIP. So Transfer is zero-shot accuracy and Last is the mean of eleven models.
    """

    Config = IndividualConfig
    bound: ClassVar[bool] = True
    told_task: ClassVar[bool] = True
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: IndividualConfig, assets: Assets) -> None:
        """Remember the pre-trained weights."""
        super().__init__(clip, config, assets)
        self.config = config
        self.pretrained = {n: p.detach().clone() for n, p in clip.weights().items()}
        self.models: dict[Key, dict[str, Tensor]] = {}  # weights that differ, by class names
        self.loaded: Key | None = None  # whose weights are in place; None: the pre-trained ones
        self.learning = False  # within a task the weights in place belong to no model yet

    def before_task(self, task: TrainingTask) -> None:
        """Start from the pre-trained weights; all but the logit scale train."""
        self._load(None)
        self.continue_task(task)

    def continue_task(self, task: TrainingTask) -> None:
        """Train the weights that are in place."""
        self.learning = True
        for weight in self.clip.weights().values():
            weight.requires_grad_(True)

    @torch.no_grad()
    def _load(self, key: Key | None) -> None:
        """Put a task's model, or the pre-trained one, in place, unless it is there."""
        if key != self.loaded:
            own = self.models[key] if key else {}
            for name, weight in self.clip.weights().items():
                weight.copy_(own.get(name, self.pretrained[name]))
            self.loaded = key

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Both towers."""
        return self.clip.weights().values()

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy."""
        return self.clip.cross_entropy(batch, self.config.label_smoothing)

    def after_task(self, task: TrainingTask) -> None:
        """Keep the model."""
        self.learning = False
        self.clip.requires_grad_(False)
        self.loaded = task.labels.classnames
        self.models[self.loaded] = {
            name: weight.detach().clone()
            for name, weight in self.clip.weights().items()
            if not torch.equal(weight, self.pretrained[name])
        }

    def classifier(self, labels: LabelSpace) -> Classifier:
        """By the task's own model, or zero-shot."""
        key = labels.classnames if labels.classnames in self.models else None
        self._load(key)
        classes = self.clip.encode_classes(labels)

        def classify(images: Tensor) -> Tensor:
            self._load(key)
            return self.clip.logits(self.clip.encode_images(images), classes)

        return classify

    def state_dict(self) -> dict[str, Any]:
        """The weights of every model and, within a task, those that train."""
        models = {
            str(i): {"classnames": list(names), "weights": weights}
            for i, (names, weights) in enumerate(self.models.items())
        }
        return {"models": models} | (super().state_dict() if self.learning else {})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        super().load_state_dict(state)
        device = self.clip.device
        models = state.get("models", {})
        for of in (models[str(i)] for i in range(len(models))):  # a file has another order
            weights = {name: t.to(device) for name, t in of["weights"].items()}
            self.models[tuple(of["classnames"])] = weights
