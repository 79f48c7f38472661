"""Distillation: `cl-bench run --plugin examples/methods/distillation.py --method distilled --order II`."""

import copy
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.endless import shuffled
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.method_config import MethodConfig, Need
from cl_bench.benchmark.task import Batch, TrainingTask


class Distilled(Method):
    """Cross-entropy + λ mean |f(x) - f₀(x)|² over reference images x; f₀ is the pre-trained tower.

    The vision tower trains. Reference images belong to no task, so what is held in place on them is
    not what the task teaches.
    """

    class Config(MethodConfig):
        weight: Annotated[float, Field(ge=0)] = 100.0
        """λ, the weight of the distillation."""

        def needs(self) -> tuple[Need, ...]:
            return ("reference images",)

    def __init__(self, clip: Clip, config: Config, assets: Any) -> None:
        super().__init__(clip, config, assets)
        self.config, self.images, self.normalise = config, assets.images, clip.normaliser()
        self.teacher = copy.deepcopy(clip)  # f₀
        self.order = torch.Generator()  # of the reference images
        self.place: dict[str, Any] = {}

    def before_task(self, task: TrainingTask) -> None:
        self.order.manual_seed(int(torch.randint(2**31, ())))  # from the seed of run and task
        self.place = {}
        self.continue_task(task)

    def continue_task(self, task: TrainingTask) -> None:
        self.rows = shuffled(len(self.images), task.batch_size, self.order)
        self.rows.load_state_dict(self.place)
        for parameter in self.trainable_parameters():
            parameter.requires_grad_(True)

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [p for name, p in self.clip.weights().items() if name.startswith("visual")]

    def loss(self, batch: Batch) -> Tensor:
        x = self.normalise(self.images.take(next(self.rows)))  # [B, 3, S, S]
        with torch.no_grad():
            f_0 = self.teacher.encode_images(x)  # [B, D]
        distance = (self.clip.encode_images(x) - f_0).square().sum(dim=-1).mean()
        return self.clip.cross_entropy(batch) + self.config.weight * distance

    def after_task(self, task: TrainingTask) -> None:
        self.clip.requires_grad_(False)
        del self.rows

    def state_dict(self) -> dict[str, Any]:  # within a task, also where the reference images are
        rows = {"place": self.rows.state_dict()} if hasattr(self, "rows") else {}
        return super().state_dict() | {"order": self.order.get_state(), **rows}

    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(state)
        self.order.set_state(state["order"])
        self.place = state.get("place", {})
