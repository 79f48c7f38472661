"""Memory: `cl-bench run --plugin examples/methods/memory.py --method replay --order II`."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.method_config import MethodConfig, Need
from cl_bench.benchmark.task import Batch, TrainingTask


class Replay(Method):
    """Cross-entropy on the task's batch and on a batch of each learned task, whose images are kept.

    The vision tower trains. The run keeps the images, counts them and shows what they take.
    """

    class Config(MethodConfig):
        keep: Annotated[int, Field(ge=1)] = 40
        """How many images of every task are kept."""

        def needs(self) -> tuple[Need, ...]:
            return ("earlier images",)

    def __init__(self, clip: Clip, config: Config, assets: Any) -> None:
        super().__init__(clip, config, assets)
        self.config, self.places = config, dict[str, Any]()
        self.again: dict[str, Any] | None = None  # within a task: learned task -> its batches

    def before_task(self, task: TrainingTask) -> None:
        self.places = {}
        self.continue_task(task)

    def continue_task(self, task: TrainingTask) -> None:
        self.again = {old.name: old.endless() for old in task.earlier}
        for name, batches in self.again.items():
            batches.load_state_dict(self.places.get(name, {}))
        for parameter in self.trainable_parameters():
            parameter.requires_grad_(True)

    def trainable_parameters(self) -> list[nn.Parameter]:
        return [p for name, p in self.clip.weights().items() if name.startswith("visual")]

    def loss(self, batch: Batch) -> Tensor:
        assert self.again is not None
        batches = [batch, *map(next, self.again.values())]  # each with the classes of its own task
        return torch.stack([self.clip.cross_entropy(each) for each in batches]).mean()

    def after_task(self, task: TrainingTask) -> None:
        for old in task.earlier:
            old.keep(torch.arange(len(old)))  # all that is left of it
        task.keep(torch.randperm(len(task))[: self.config.keep])
        self.clip.requires_grad_(False)
        self.again = None

    def state_dict(self) -> dict[str, Any]:  # within a task, also where the earlier images are
        places = {name: batches.state_dict() for name, batches in (self.again or {}).items()}
        return super().state_dict() | {"places": places}

    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(state)
        self.places = state.get("places", {})  # an empty mapping is not kept
