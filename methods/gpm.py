"""Gradient projection memory: no step moves a weight along the inputs of earlier tasks.

Saha et al. 2021, "Gradient Projection Memory for Continual Learning", ICLR, arXiv 2103.09762; published
code sahagobinda/GPM. Adapted to CLIP: KeepLoRA's matrices (q, k, v, o of both towers), here trained whole,
for the layers of a small network; all features of a task for some samples'. Written for y = x W.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from torch import nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.benchmark.task import TrainingTask
from cl_bench.methods.configs.gpm import GPMConfig
from cl_bench.methods.features import task_grams
from cl_bench.methods.gradients import gradients_of, replace_gradients
from cl_bench.methods.low_rank import PROJECTIONS
from cl_bench.methods.subspace import Subspaces, occupancy, packed, unpacked

MATRICES = ("attn.in_proj_weight", "attn.out_proj.weight")  # as open_clip calls q, k, v and o


class GPM(Method):
    """∇W ← ∇W − M(Mᵀ∇W), M an orthonormal basis of the inputs of earlier tasks.

    Then x W stays what it was for x in the span of M, whatever is learned: with plain SGD, momentum
    included, and without weight decay, which the settings see to.
    """

    Config = GPMConfig
    plain_weights: ClassVar[PlainWeights | None] = merged_weights
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: GPMConfig, assets: Assets) -> None:
        """Protect nothing yet."""
        super().__init__(clip, config, assets)
        self.config = config
        self.learned = 0
        self.protected = {
            tower: Subspaces.empty(len(PROJECTIONS) * len(blocks), blocks[0].width, clip.device)
            for tower, blocks in clip.attentions().items()
        }

    def before_task(self, task: TrainingTask) -> None:
        """Nothing is taken or drawn that the weights do not hold."""
        self.continue_task(task)

    def continue_task(self, task: TrainingTask) -> None:
        """Let the matrices train."""
        for weight in self.trainable_parameters():
            weight.requires_grad_(True)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """q, k, v and o of every block, without biases."""
        return [weight for name, weight in self.clip.weights().items() if name.endswith(MATRICES)]

    def after_backward(self) -> None:
        """Take the protected directions out of the gradients."""
        for tower, attentions in self.clip.attentions().items():
            M = self.protected[tower]
            if M.U.shape[-1] > 0:
                replace_gradients(attentions, M.project_out(gradients_of(attentions)))

    def after_task(self, task: TrainingTask) -> None:
        """Add the leading directions of the task's inputs until M covers ε_t of their energy."""
        for weight in self.trainable_parameters():
            weight.requires_grad_(False).grad = None
        c = self.config
        share = min(c.first_share + c.share_growth * self.learned, 1.0)
        for tower, grams in task_grams(self.clip, task).items():
            self.protected[tower] = self.protected[tower].extended(grams, share)
        self.learned += 1

    def state_dict(self) -> dict[str, Any]:
        """The changed weights, the protected directions and how many tasks were learned."""
        return super().state_dict() | {
            "protected": packed(self.protected),
            "learned": self.learned,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        super().load_state_dict(state)
        self.learned = state["learned"]
        self.protected = unpacked(state["protected"], self.clip.device)

    def diagnostics(self) -> dict[str, float]:
        """Protected dimensions of every matrix: ``subspace/<tower>.<block>.<q|k|v|o>``."""
        return occupancy(self.protected)
