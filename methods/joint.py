"""Joint training: every step draws from all tasks, learned or not. A bound, not a continual learner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar

import torch
from pydantic import Field
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets, Need
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method, MethodConfig
from cl_bench.benchmark.task import Batch, TrainingTask


class Joint(Method):
    """One model trained on all tasks at once, with the steps of the whole stream together.

    Each step takes one batch of one task, chosen in proportion to its training images. The rows of
    its accuracy matrix are moments of one training, so only Last means what it says.
    """

    bound: ClassVar[bool] = True

    class Config(MethodConfig):
        """The loss's one setting."""

        label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.2
        """Of the cross-entropy, as ZSCL's fine-tuning has it."""

        def needs(self) -> tuple[Need, ...]:
            """Every task's training images, from the start."""
            return ("all tasks",)

        def caveats(self) -> tuple[str, ...]:
            """Only the last row is a result."""
            return ("joint: trains on all tasks from the start; only its Last is a result",)

    def __init__(self, clip: Clip, config: Config, assets: Assets) -> None:
        """Keep the stream."""
        super().__init__(clip, config, assets)
        assert assets.stream is not None
        self.config, self.stream = config, assets.stream

    def before_task(self, task: TrainingTask) -> None:
        """Let every weight but the logit scale train, on batches of all tasks."""
        self.batches = self._batches(task)
        for weight in self.clip.weights().values():
            weight.requires_grad_(True)

    def _batches(self, current: TrainingTask) -> Iterator[Batch]:
        """Batches without end, each of one task."""
        generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        sources = [current.beside(task, generator).endless() for task in self.stream.tasks]
        sizes = torch.tensor([float(len(task.train)) for task in self.stream.tasks])
        while True:
            yield next(sources[int(torch.multinomial(sizes, 1, generator=generator))])

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Both towers."""
        return self.clip.weights().values()

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy of a batch of any task; the runner's own is left alone."""
        return self.clip.cross_entropy(next(self.batches), self.config.label_smoothing)

    def after_task(self, task: TrainingTask) -> None:
        """Freeze for evaluation."""
        self.clip.requires_grad_(False)
