"""InfLoRA: a frozen A from the task's inputs, outside the subspace of earlier tasks' gradients.

Liang and Li 2024, "InfLoRA: Interference-Free Low-Rank Adaptation for Continual Learning", CVPR, arXiv
2404.00228; published code liangyanshuo/InfLoRA. Adapted to CLIP: KeepLoRA's slots (q, k, v, o of both
towers) for a vision transformer's k and v, and CLIP's text classifiers for the heads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.benchmark.task import TrainingTask
from cl_bench.methods.configs.inflora import InfLoRAConfig
from cl_bench.methods.features import task_grams
from cl_bench.methods.low_rank import PROJECTIONS, Adapters, LowRank
from cl_bench.methods.subspace import Subspaces, leading_factors, occupancy, packed, unpacked

LEAST_TRACE = 1e-150  # of features that are all zero


class InfLoRA(Method):
    """A_t = leading directions of (I − MMᵀ)C, C = Σ x xᵀ over the task's inputs; only B_t trains.

    DualGPM keeps either M or its orthogonal complement, whichever is smaller, and grows or shrinks
    it; the projection and the rule for adding directions are the same, so M is kept here.
    """

    Config = InfLoRAConfig
    plain_weights: ClassVar[PlainWeights | None] = merged_weights
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: InfLoRAConfig, assets: Assets) -> None:
        """Protect nothing yet."""
        super().__init__(clip, config, assets)
        self.config = config
        self.adapters = Adapters(clip)
        self.learned = 0
        self.protected = {
            tower: Subspaces.empty(
                len(PROJECTIONS) * len(blocks), blocks[0].width, blocks[0].in_proj_weight.device
            )
            for tower, blocks in clip.attentions().items()
        }

    def before_task(self, task: TrainingTask) -> None:
        """A_t from the inputs that the merged model computes for the new task; B_t = 0."""
        updates = {}
        for tower, C in task_grams(self.clip, task).items():
            residual = self.protected[tower].project_out(C.float())  # C − MMᵀC, [4L, d, d]
            A, _ = leading_factors(residual, self.config.rank)
            A = self.protected[tower].kept_off(A) / 3**0.5  # as published
            updates[tower] = [
                LowRank(A_l, B := torch.zeros_like(A_l.mT), B.clone(), scaling=1.0, train_A=False)
                for A_l in A.split(len(PROJECTIONS))
            ]
        self.adapters.attach(updates)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Every B."""
        return self.adapters.parameters()

    def after_task(self, task: TrainingTask) -> None:
        """Merge, recompute C with the new weights and protect its dominant directions."""
        self.adapters.merge()
        c = self.config
        t = min(self.learned, c.stream_length)  # a longer stream stays at its last share
        share = c.first_share + (c.last_share - c.first_share) * t / c.stream_length
        for tower, C in task_grams(self.clip, task).items():
            trace = C.diagonal(dim1=-2, dim2=-1).sum(-1).clamp_min(LEAST_TRACE)
            energies = C @ C / trace[:, None, None] ** 2  # of σ(C)²
            known = self.protected[tower]
            self.protected[tower] = (
                Subspaces.of_grams(energies, share, "below")
                if self.learned == 0
                else known.extended(energies, share)
            )
        self.learned += 1

    def state_dict(self) -> dict[str, Any]:
        """The changed weights, the protected directions and, within a task, the factors."""
        return super().state_dict() | {
            "protected": packed(self.protected),
            "learned": self.learned,
            "factors": self.adapters.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        super().load_state_dict(state)
        self.learned = state["learned"]
        self.protected = unpacked(state["protected"], self.clip.device)
        self.adapters.load_state_dict(state.get("factors", {}))

    def diagnostics(self) -> dict[str, float]:
        """Protected dimensions of every matrix: ``subspace/<tower>.<block>.<q|k|v|o>``."""
        return occupancy(self.protected)
