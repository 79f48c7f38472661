"""Joint training: every step draws from all tasks, learned or not. A bound, not a continual learner."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.endless import Endless
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.configs.joint import JointConfig


class Joint(Method):
    """One model trained on all tasks at once, with the steps of the whole stream together.

    Each step takes one batch of one task, chosen in proportion to its training images. The rows of
    its accuracy matrix are moments of one training, so only Last means what it says.
    """

    Config = JointConfig
    plain_weights: ClassVar[PlainWeights | None] = merged_weights
    bound: ClassVar[bool] = True
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: JointConfig, assets: Assets) -> None:
        """Keep the stream."""
        super().__init__(clip, config, assets)
        assert assets.stream is not None
        self.config, self.stream = config, assets.stream
        self.sizes = torch.tensor([float(len(task.train)) for task in self.stream.tasks])
        self.generator = torch.Generator()  # of all draws within a task
        self.sources: list[Endless[Batch]] = []  # of the present task: batches of every task
        self._places: Mapping[str, Any] = {}  # where the sources are to go on

    def before_task(self, task: TrainingTask) -> None:
        """Let every weight but the logit scale train, on batches of all tasks."""
        self.generator.manual_seed(int(torch.randint(2**31, ())))
        self._open(task)

    def continue_task(self, task: TrainingTask) -> None:
        """The same, every task's batches at their place."""
        self._open(task)
        for i, source in enumerate(self.sources):
            source.load_state_dict(self._places.get(str(i), {}))

    def _open(self, current: TrainingTask) -> None:
        self.sources = [
            current.beside(task, self.generator).endless() for task in self.stream.tasks
        ]
        for weight in self.clip.weights().values():
            weight.requires_grad_(True)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Both towers."""
        return self.clip.weights().values()

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of a batch of any task; the runner's own is left alone."""
        task = int(torch.multinomial(self.sizes, 1, generator=self.generator))
        return self.clip.cross_entropy(next(self.sources[task]), self.config.label_smoothing)

    def after_task(self, task: TrainingTask) -> None:
        """Freeze for evaluation."""
        self.clip.requires_grad_(False)
        self.sources = []

    def state_dict(self) -> dict[str, Any]:
        """The changed weights and, within a task, what is drawn next."""
        if not self.sources:
            return super().state_dict()
        places = {str(i): source.state_dict() for i, source in enumerate(self.sources)}
        draws = {"generator": self.generator.get_state(), "places": places}
        return super().state_dict() | {"draws": draws}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        super().load_state_dict(state)
        if draws := state.get("draws"):
            self.generator.set_state(draws["generator"])
            self._places = draws.get("places", {})
