"""Sequential LoRA: a fresh low-rank update per task, merged into the weights, nothing protected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from torch import nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.benchmark.task import TrainingTask
from cl_bench.methods.configs.lora import LoRAConfig
from cl_bench.methods.low_rank import Adapters


class LoRA(Method):
    """LoRA on q, k, v and o of both towers (Hu et al. 2021, arXiv 2106.09685), task after task.

    ΔW = s·(AB)ᵀ with A ~ Kaiming-uniform and B = 0, both trained; after the task W ← W + ΔW.
    """

    Config = LoRAConfig
    plain_weights: ClassVar[PlainWeights | None] = merged_weights
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: LoRAConfig, assets: Assets) -> None:
        """Prepare for updates of the configured rank."""
        super().__init__(clip, config, assets)
        self.config = config
        self.adapters = Adapters(clip)

    def before_task(self, task: TrainingTask) -> None:
        """Attach new factors: A random, B zero."""
        self.adapters.attach_fresh(self.config.rank, self.config.alpha / self.config.rank)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Every A and B."""
        return self.adapters.parameters()

    def after_task(self, task: TrainingTask) -> None:
        """Merge the update into the weights."""
        self.adapters.merge()

    def state_dict(self) -> dict[str, Any]:
        """The changed weights and, within a task, the factors beside them."""
        return super().state_dict() | {"factors": self.adapters.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        super().load_state_dict(state)
        self.adapters.load_state_dict(state.get("factors", {}))
