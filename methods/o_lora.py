"""O-LoRA: each task's LoRA is pushed to be orthogonal to those of earlier tasks.

Wang et al. 2023, "Orthogonal Subspace Learning for Language Model Continual Learning", EMNLP Findings,
arXiv 2310.14152; published code cmnfriend/O-LoRA. Adapted to CLIP: KeepLoRA's slots (q, k, v, o of both
towers) for T5's q and v, and no dropout, so that earlier updates can be merged into the weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.benchmark.precision import full_precision
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.configs.o_lora import OLoRAConfig
from cl_bench.methods.low_rank import Adapters


class OLoRA(Method):
    """L = CE + λ₁·Σ_layers Σ_ij |A_prevᵀ A_t|_ij + λ₂·Σ(‖A_t‖ + ‖B_t‖); merged after the task.

    Without dropout, adding s·B_prev A_prev beside W and merging it into W are the same function, so
    only A_prev is kept, for the penalty.
    """

    Config = OLoRAConfig
    plain_weights: ClassVar[PlainWeights | None] = merged_weights
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: OLoRAConfig, assets: Assets) -> None:
        """Nothing is known yet."""
        super().__init__(clip, config, assets)
        self.config = config
        self.adapters = Adapters(clip)
        self.A_prev: list[Tensor] = []  # per block, [4, d, r·(t − 1)]; empty before the first task

    def before_task(self, task: TrainingTask) -> None:
        """Attach new factors: A random, B zero."""
        c = self.config
        self.updates = self.adapters.attach_fresh(c.rank, c.alpha / c.rank)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Every A and B."""
        return self.adapters.parameters()

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy and the two penalties."""
        c, loss = self.config, self.clip.cross_entropy(batch)
        if self.A_prev:
            with full_precision(self.clip.device):  # small differences of large products
                overlaps = [
                    A_prev.mT @ u.A for A_prev, u in zip(self.A_prev, self.updates, strict=True)
                ]  # each [4, r·(t − 1), r]
            sums = [
                o.abs().sum() if c.penalty == "absolute" else o.square().sum() for o in overlaps
            ]
            loss = loss + c.orthogonality * torch.stack(sums).sum()
        if c.shrinkage > 0:
            norms = [f.norm(dim=(-2, -1)).sum() for u in self.updates for f in (u.A, u.B)]
            loss = loss + c.shrinkage * torch.stack(norms).sum()
        return loss

    @torch.no_grad()
    def after_task(self, task: TrainingTask) -> None:
        """Merge the update and remember its A."""
        new = [u.A.detach() for u in self.updates]
        self.A_prev = [
            torch.cat([old, A], dim=-1)
            for old, A in zip(self.A_prev or [A[..., :0] for A in new], new, strict=True)
        ]
        self.adapters.merge()

    def state_dict(self) -> dict[str, Any]:
        """The changed weights, the A of earlier tasks and, within a task, the present factors."""
        earlier = {str(i): A for i, A in enumerate(self.A_prev)}
        return super().state_dict() | {"A": earlier, "factors": self.adapters.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        super().load_state_dict(state)
        kept = state.get("A", {})
        self.A_prev = [kept[str(i)].to(self.clip.device) for i in range(len(kept))]
        self.updates = self.adapters.load_state_dict(state.get("factors", {}))
