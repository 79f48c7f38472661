"""A method of one's own: train the LayerNorms of the vision tower, pulled back to where they were.

Run it with ``cl-bench run --plugin docs/norm_tuning.py --method norm-tuning``.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

from pydantic import Field
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method, MethodConfig
from cl_bench.benchmark.task import Batch, TrainingTask


class NormTuning(Method):
    """Cross-entropy + pull * |θ - θ_start|², over the vision tower's LayerNorms alone."""

    class Config(MethodConfig):
        pull: Annotated[float, Field(ge=0)] = 1.0
        """Strength of the pull towards the weights before the task."""

    def __init__(self, clip: Clip, config: Config, assets: Assets) -> None:
        super().__init__(clip, config, assets)
        self.pull = config.pull
        norms = [m for m in clip.model.visual.modules() if isinstance(m, nn.LayerNorm)]
        self.parameters = [p for norm in norms for p in norm.parameters()]
        self.start: list[Tensor] = []  # within a task

    def before_task(self, task: TrainingTask) -> None:
        self.start = [p.detach().clone() for p in self.parameters]
        self.continue_task(task)

    def continue_task(self, task: TrainingTask) -> None:
        for p in self.parameters:
            p.requires_grad_(True)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        return self.parameters

    def loss(self, batch: Batch) -> Tensor:
        drift = sum(
            (p - s).square().sum() for p, s in zip(self.parameters, self.start, strict=True)
        )
        return self.clip.cross_entropy(batch) + self.pull * drift

    def after_task(self, task: TrainingTask) -> None:
        self.clip.requires_grad_(False)
        self.start = []

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"start": {str(i): s for i, s in enumerate(self.start)}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        kept = state.get("start", {})
        self.start = [kept[str(i)].to(self.clip.device) for i in range(len(kept))]
