"""Small methods, one for each thing that a method can reach; the tests run them as a plug-in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.endless import Endless
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.method_config import MethodConfig, Need
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask


class PromptTuning(Method):
    """Frozen CLIP; learned tokens at the first two blocks of each tower, carried from task to task."""

    class Config(MethodConfig):
        count: int = 2
        """Tokens per block."""

    def __init__(self, clip: Clip, config: Config, assets: Assets) -> None:
        super().__init__(clip, config, assets)
        generator = torch.Generator().manual_seed(0)
        self.tokens = {
            tower: nn.Parameter(
                torch.randn(2, 1, config.count, blocks[0].width, generator=generator) / 50
            )
            for tower, blocks in clip.attentions().items()
        }

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        return self.tokens.values()

    def loss(self, batch: Batch) -> Tensor:
        images = self.clip.encode_images(batch.images, self.tokens["v"])
        classes = self.clip.encode_classes(batch.labels, self.tokens["t"])
        return F.cross_entropy(self.clip.logits(images, classes), batch.targets)

    def classifier(self, labels: LabelSpace) -> Classifier:
        classes = self.clip.encode_classes(labels, self.tokens["t"])
        return lambda images: self.clip.logits(
            self.clip.encode_images(images, self.tokens["v"]), classes
        )

    def state_dict(self) -> dict[str, Any]:
        return {tower: tokens.detach() for tower, tokens in self.tokens.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for tower, tokens in self.tokens.items():
            tokens.data.copy_(state[tower])


class HardImages(Method):
    """Trains the image projection; remembers the last loss of every training image of every task."""

    def __init__(self, clip: Clip, config: MethodConfig, assets: Assets) -> None:
        super().__init__(clip, config, assets)
        self.losses: dict[str, Tensor] = {}

    def before_task(self, task: TrainingTask) -> None:
        self.losses[str(len(self.losses))] = torch.zeros(len(task))
        self.continue_task(task)

    def continue_task(self, task: TrainingTask) -> None:
        self.clip.model.visual.proj.requires_grad_(True)
        self.now = self.losses[str(len(self.losses) - 1)]

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        return (self.clip.model.visual.proj,)

    def loss(self, batch: Batch) -> Tensor:
        features = self.clip.encode_images(batch.images)
        logits = self.clip.logits(features, self.clip.encode_classes(batch.labels))
        losses = F.cross_entropy(logits, batch.targets, reduction="none")
        self.now[batch.indices] = losses.detach()
        return losses.mean()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "losses": self.losses}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.losses = dict(state["losses"])


class Replay(Method):
    """Trains the image tower on the task and on a few kept images of every class of earlier tasks."""

    class Config(MethodConfig):
        per_class: Annotated[int, Field(ge=0)] = 2
        """Images of every class that are kept."""
        says_so: bool = True
        """Whether the need is declared."""

        def needs(self) -> tuple[Need, ...]:
            return ("earlier images",) if self.says_so and self.per_class > 0 else ()

    def __init__(self, clip: Clip, config: Config, assets: Assets) -> None:
        super().__init__(clip, config, assets)
        self.per_class = config.per_class
        self.weights = list(clip.model.visual.parameters())

        self.again: list[Endless[Batch]] = []
        self.places: dict[str, Any] = {}  # in what is drawn again

    def before_task(self, task: TrainingTask) -> None:
        for weight in self.weights:
            weight.requires_grad_(True)
        self.again = [old.endless() for old in task.earlier] if self.per_class > 0 else []

    def continue_task(self, task: TrainingTask) -> None:
        self.before_task(task)
        for i, batches in enumerate(self.again):
            batches.load_state_dict(self.places[str(i)])

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        return self.weights

    def loss(self, batch: Batch) -> Tensor:
        batches = [batch, *map(next, self.again)]
        return torch.stack([self.clip.cross_entropy(b) for b in batches]).mean()

    def after_task(self, task: TrainingTask) -> None:
        self.clip.requires_grad_(False)
        self.again = []
        if self.per_class > 0:
            task.keep(first_of_every_class(task, self.per_class))

    def state_dict(self) -> dict[str, Any]:
        places = {str(i): batches.state_dict() for i, batches in enumerate(self.again)}
        return {**super().state_dict(), "places": places}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.places = state.get("places", {})


def first_of_every_class(task: TrainingTask, count: int) -> Tensor:
    """The ``count`` images of every class with the lowest indices."""
    batches = list(task.epoch(plain=True))
    targets, indices = (
        torch.cat([getattr(b, name) for b in batches]) for name in ("targets", "indices")
    )
    chosen = [indices[targets == c].sort().values[:count] for c in targets.unique()]
    return torch.cat(chosen)
