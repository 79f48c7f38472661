"""CoDyRA: low-rank updates whose components have gates, driven to zero where they are small.

arXiv 2412.01004 ("Take Only What You Need", Findings of EMNLP 2026); published code
Artificer-AI-Lab/CoDyRA. Written for y = x W with W ∈ R^{in×out}; torch stores Wᵀ.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.configs.codyra import CoDyRAConfig
from cl_bench.methods.gate_threshold import released_threshold, soft_threshold, threshold_of
from cl_bench.methods.gated_low_rank import MATRICES, GatedLowRank

OPERATORS = {"released": released_threshold, "soft": soft_threshold}


class CoDyRA(Method):
    """ΔW = A diag(g) B on six matrices of every block; A, B and g are trained, then merged.

    L = CE over classes + CE over the batch's images; the gates' l1 norm is in no loss, but a threshold
    after every step of the second half of the task.
    """

    Config = CoDyRAConfig
    plain_weights: ClassVar[PlainWeights | None] = merged_weights
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: CoDyRAConfig, assets: Assets) -> None:
        """Nothing is learned yet."""
        super().__init__(clip, config, assets)
        self.config = config
        self.blocks = {
            f"{tower}.{i}": block
            for tower, blocks in clip.blocks().items()
            for i, block in enumerate(blocks)
        }
        self.updates: dict[str, GatedLowRank] = {}  # by block; none between tasks
        self.handles: list[RemovableHandle] = []
        self.task: TrainingTask | None = None  # that is being learned
        self.classes_seen = 0  # of learned tasks
        self.measured: dict[str, float] = {}

    def before_task(self, task: TrainingTask) -> None:
        """Fresh components beside every block."""
        c = self.config
        self._attach(
            {
                name: GatedLowRank.fresh(block, c.rank, c.gates == "trained")
                for name, block in self.blocks.items()
            }
        )
        self.continue_task(task)

    def continue_task(self, task: TrainingTask) -> None:
        """The threshold depends on how many steps the task has."""
        self.task = task

    def _attach(self, updates: dict[str, GatedLowRank]) -> None:
        self.updates = updates
        self.handles = [
            handle for name, u in updates.items() for handle in u.beside(self.blocks[name])
        ]

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Every A and B, and the gates unless they are frozen."""
        return [p for u in self.updates.values() for p in u.parameters() if p.requires_grad]

    def loss(self, batch: Batch) -> Tensor:
        """CE over the task's classes, and CE over the images of the batch."""
        images = self.clip.encode_images(batch.images)
        logits = self.clip.logits(images, self.clip.encode_classes(batch.labels))  # [B, C]
        rows = self.classes_seen + logits.shape[1]
        return F.cross_entropy(logits, batch.targets) + text_loss(logits, batch.targets, rows)

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """The proximal step: g ← operator(g, κ)."""
        c = self.config
        assert self.task and self.task.steps, "the task's number of steps is not known"
        k = threshold_of(step - 1, self.task.steps, c.dense_share, c.largest_threshold)
        if k > 0:
            for u in self.updates.values():
                u.gates.copy_(OPERATORS[c.operator](u.gates, k))

    def after_task(self, task: TrainingTask) -> None:
        """Merge, W ← W + A diag(g) B, and forget the components."""
        for handle in self.handles:
            handle.remove()
        squares = [u.merge(self.blocks[name]) for name, u in self.updates.items()]
        ranks = torch.stack([(u.gates != 0).sum(-1) for u in self.updates.values()])  # [blocks, 6]
        self.measured = {
            f"rank/{name}.{matrix}": float(rank)
            for name, of in zip(self.updates, ranks.tolist(), strict=True)
            for matrix, rank in zip(MATRICES, of, strict=True)
        }
        self.measured["rank/mean"] = float(ranks.double().mean())
        self.measured["update/norm"] = float(torch.stack(squares).sum().sqrt())
        self._attach({})
        self.task = None
        self.classes_seen += len(task.labels.classnames)

    def state_dict(self) -> dict[str, Any]:
        """The changed weights, how many classes were seen and, within a task, the components."""
        return super().state_dict() | {
            "classes_seen": self.classes_seen,
            "updates": {name: u.state_dict() for name, u in self.updates.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        super().load_state_dict(state)
        self.classes_seen = state["classes_seen"]
        kept, trains = state.get("updates", {}), self.config.gates == "trained"
        device = self.clip.device
        self._attach(  # in the order of the blocks: a file has another
            {
                name: GatedLowRank({n: t.to(device) for n, t in kept[name].items()}, trains)
                for name in self.blocks
                if name in kept
            }
        )

    def diagnostics(self) -> dict[str, float]:
        """Of the task learned last: the gates of every matrix that are not zero, and ‖ΔW‖.

        ``rank/<tower>.<block>.<q|k|v|o|fc|proj>`` and ``rank/mean``; ``update/norm`` is the Frobenius
        norm of all matrices' updates together.
        """
        return dict(self.measured)


def text_loss(logits: Tensor, targets: Tensor, rows: int) -> Tensor:
    """CE_t: for each class, the images of the batch that are of it, against all images of the batch.

    −1/rows Σ_c Σ_{b of class c} log softmax over images (logits of c) at b. The mean is over all ``rows``
    classes; those of earlier tasks have no image in the batch and add nothing, so they are not computed.

    Args:
        logits: of images and the task's classes, [B, C].
        targets: int64 [B].
        rows: how many classes there are, those of earlier tasks with them.
    """
    return F.nll_loss(logits.log_softmax(dim=0), targets, reduction="sum") / rows
