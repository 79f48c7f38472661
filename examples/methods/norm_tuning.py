"""A method of one's own: ``cl-bench run --plugin examples/methods/norm_tuning.py --method norm-tuning``."""

from typing import Annotated, Any

from pydantic import Field
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.benchmark.task import Batch, TrainingTask


class NormTuning(Method):
    """Cross-entropy + pull * |θ - θ_start|², over the vision tower's LayerNorms alone."""

    class Config(MethodConfig):
        pull: Annotated[float, Field(ge=0)] = 1.0
        """Strength of the pull towards the weights before the task."""

    def __init__(self, clip: Clip, config: Config, assets: Any) -> None:
        super().__init__(clip, config, assets)
        self.pull, self.start = config.pull, dict[str, Tensor]()  # the start: within a task
        self.norms = {n: p for n, p in clip.weights().items() if n[:6] == "visual" and ".ln_" in n}

    def before_task(self, task: TrainingTask) -> None:
        self.start = {name: norm.detach().clone() for name, norm in self.norms.items()}
        self.continue_task(task)

    def continue_task(self, task: TrainingTask) -> None:
        for norm in self.norms.values():
            norm.requires_grad_(True)

    def trainable_parameters(self) -> list[Any]:
        return list(self.norms.values())

    def loss(self, batch: Batch) -> Tensor:
        drift = sum((p - self.start[name]).square().sum() for name, p in self.norms.items())
        return self.clip.cross_entropy(batch) + self.pull * drift

    def after_task(self, task: TrainingTask) -> None:
        self.clip.requires_grad_(False)
        self.start = {}

    def state_dict(self) -> dict[str, Any]:  # valid after any step
        return super().state_dict() | {"start": self.start}

    def load_state_dict(self, state: Any) -> None:
        super().load_state_dict(state)
        self.start = {n: t.to(self.clip.device) for n, t in state.get("start", {}).items()}
