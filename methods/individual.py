"""Per-task fine-tuning: a model of its own for every task, each from the pre-trained one. A bound."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Classifier, Method, MethodConfig
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask


class Individual(Method):
    """Nothing is shared and nothing is forgotten: what a task can give when it is learned alone.

    A learned task is classified by its own model, which its class names select; any other task by
    the pre-trained CLIP. So Transfer is zero-shot accuracy and Last is the mean of eleven models.
    """

    bound: ClassVar[bool] = True

    class Config(MethodConfig):
        """The loss's one setting."""

        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.2
        """Of the cross-entropy, as ZSCL's fine-tuning has it."""

    def __init__(self, clip: Clip, config: Config, assets: Assets) -> None:
        """Remember the pre-trained weights."""
        super().__init__(clip, config, assets)
        self.config = config
        self.pretrained = {n: p.detach().clone() for n, p in clip.weights().items()}
        self.models: dict[tuple[str, ...], dict[str, Tensor]] = {}  # class names -> weights

    def before_task(self, task: TrainingTask) -> None:
        """Start from the pre-trained weights; all but the logit scale train."""
        self._put(self.pretrained)
        for weight in self.clip.weights().values():
            weight.requires_grad_(True)

    @torch.no_grad()
    def _put(self, weights: Mapping[str, Tensor]) -> None:
        for name, weight in self.clip.weights().items():
            weight.copy_(weights[name])

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Both towers."""
        return self.clip.weights().values()

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy."""
        return self.clip.cross_entropy(batch, self.config.label_smoothing)

    def after_task(self, task: TrainingTask) -> None:
        """Put the model away and bring the pre-trained one back."""
        self.clip.requires_grad_(False)
        self.models[task.labels.classnames] = self._changed()
        self._put(self.pretrained)

    def _changed(self) -> dict[str, Tensor]:
        return {
            name: weight.detach().clone()
            for name, weight in self.clip.weights().items()
            if not torch.equal(weight, self.pretrained[name])
        }

    def classifier(self, labels: LabelSpace) -> Classifier:
        """By the task's own model, or zero-shot."""
        own = self.pretrained | self.models.get(labels.classnames, {})
        self._put(own)
        classes = self.clip.encode_classes(labels)
        self._put(self.pretrained)

        def classify(images: Tensor) -> Tensor:
            self._put(own)
            logits = self.clip.logits(self.clip.encode_images(images), classes)
            self._put(self.pretrained)
            return logits

        return classify

    def state_dict(self) -> dict[str, Any]:
        """The weights of every model."""
        return {
            "models": {
                str(i): {"classnames": list(names), "weights": weights}
                for i, (names, weights) in enumerate(self.models.items())
            }
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        device = self.clip.device
        for of in state.get("models", {}).values():
            weights = {name: t.to(device) for name, t in of["weights"].items()}
            self.models[tuple(of["classnames"])] = weights
