"""Prompts: `cl-bench run --plugin examples/methods/prompt.py --method prompt-per-task --order II`."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask


class PromptPerTask(Method):
    """P learned vectors in the text tower for each task's classes; all other classes stay zero-shot.

    Which prompt a class gets is known from its name, so that no image's task is asked for.
    """

    class Config(MethodConfig):
        length: Annotated[int, Field(ge=1)] = 4
        """P, how many vectors stand before a class's prompt."""

    def __init__(self, clip: Clip, config: Config, assets: Any) -> None:
        super().__init__(clip, config, assets)
        width = clip.attentions()["t"][0].width
        self.prompt = nn.Parameter(torch.zeros(config.length, width, device=clip.device))  # [P, d]
        self.learned: dict[str, dict[str, Any]] = {}  # task -> its classes, its prompt

    def before_task(self, task: TrainingTask) -> None:
        with torch.no_grad():
            self.prompt.normal_(std=0.02)

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [self.prompt]

    def loss(self, batch: Batch) -> Tensor:
        classes = self.clip.encode_classes(batch.labels, self.prompt)  # [C, D]
        logits = self.clip.logits(self.clip.encode_images(batch.images), classes)  # [B, C]
        return nn.functional.cross_entropy(logits, batch.targets)

    def after_task(self, task: TrainingTask) -> None:
        prompt = self.prompt.detach().clone()
        self.learned[task.name] = {"classes": list(task.labels.classnames), "prompt": prompt}
        with torch.no_grad():
            self.prompt.zero_()

    def classifier(self, labels: LabelSpace) -> Classifier:
        classes = self.clip.encode_classes(labels).clone()  # [C, D], zero-shot
        for task in self.learned.values():
            names = tuple(task["classes"])
            start = labels.find(names)
            if start is not None:
                own = slice(start, start + len(names))
                part = LabelSpace(names, labels.prompts[own])
                classes[own] = self.clip.encode_classes(part, task["prompt"])

        def classify(images: Tensor) -> Tensor:
            return self.clip.logits(self.clip.encode_images(images), classes)

        return classify

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"prompt": self.prompt.detach(), "learned": self.learned}

    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(state)
        device = self.clip.device
        with torch.no_grad():
            self.prompt.copy_(state["prompt"])
        self.learned = {
            name: {"classes": task["classes"], "prompt": task["prompt"].to(device)}
            for name, task in state["learned"].items()
        }
