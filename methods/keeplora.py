"""KeepLoRA: low-rank updates confined to the residual subspace of weights and earlier features.

Equations are those of the paper (Luo et al. 2026, arXiv 2601.19659), written for y = x W with
W ∈ R^{in×out}; torch stores Wᵀ. Where the published code computes something else, a setting chooses.
KeepLoRA+ adds a cosine classifier, KeepLoRA++ (arXiv 2606.16256) scales the layers and starts B at
zero; `keeplora-kd` distils from the original CLIP. Protecting nothing, or less, gives the ablations.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask
from cl_bench.methods.configs.keeplora import KeepLoRAConfig
from cl_bench.methods.cosine_head import CosineHead
from cl_bench.methods.distillation import soft_cross_entropy
from cl_bench.methods.features import BatchMean, Gram, task_grams
from cl_bench.methods.gradients import mean_gradients, weights_of
from cl_bench.methods.low_rank import PROJECTIONS, Adapters, LowRank, fresh_factor
from cl_bench.methods.subspace import Subspaces, leading_factors, occupancy, packed, unpacked


def _weights_without_heads(clip: Clip, state: Mapping[str, Any]) -> Mapping[str, Tensor] | None:
    """The merged weights, if no cosine classifier stands beside them."""
    return None if state.get("heads") else merged_weights(clip, state)


class KeepLoRA(Method):
    """Keep LoRA's updates orthogonal to what the model and the earlier tasks rely on.

    Before task t the mean gradient is projected off the protected directions, Ĝ = G − U(UᵀG), and
    its leading left singular vectors become the frozen A; only B trains. After the task the update
    is merged and the dominant directions of the task's features join U.
    """

    Config = KeepLoRAConfig
    plain_weights: ClassVar[PlainWeights | None] = _weights_without_heads
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: KeepLoRAConfig, assets: Assets) -> None:
        """Find the principal subspace of every pretrained q, k, v and o (step 0)."""
        super().__init__(clip, config, assets)
        self.config = config
        self.teacher = copy.deepcopy(clip) if config.distils() else None
        self.head: CosineHead | None = None  # of the task being learned
        self.heads: dict[tuple[str, ...], CosineHead] = {}  # of learned tasks, by class names
        self.adapters = Adapters(clip)
        self.protected = {tower: self._weight_subspaces(tower) for tower in clip.attentions()}

    @torch.no_grad()
    def _weight_subspaces(self, tower: str) -> Subspaces:
        """W_p: the leading singular vectors of each W up to ε_w of its energy."""
        c = self.config
        W = weights_of(self.clip.attentions()[tower])  # [n, out, in]
        share = c.vision_weight_share if tower == "v" else c.text_weight_share
        if share <= 1e-8:  # the published code's limit
            return Subspaces.empty(len(W), W.shape[-1], W.device)
        W = W.double()
        grams = W @ W.mT if c.weight_side == "output" else W.mT @ W
        return Subspaces.of_grams(grams, share, c.rank_rule)

    def before_task(self, task: TrainingTask) -> None:
        """Steps 2-4: mean gradient, projection, A and B₀; W' = W − s·AB₀ is implied by B_start."""
        c = self.config
        factors = {
            "gradient": lambda: self._gradient_factors(task),
            "random": self._random_factors,
        }[c.direction]()
        updates = {}
        for tower, (A, B) in factors.items():
            if c.start == "zero":
                B = torch.zeros_like(B)
            blocks = len(A) // len(PROJECTIONS)
            gamma = c.vision_layer_scale if tower == "v" else 1.0
            scales = torch.linspace(gamma, 1, blocks).tolist()  # s_l, KeepLoRA++
            updates[tower] = [
                LowRank(A_l, B_l, B_l.clone(), s_l * c.alpha / c.rank, train_A=False)
                for A_l, B_l, s_l in zip(A.chunk(blocks), B.chunk(blocks), scales, strict=True)
            ]
        if c.cosine_head:
            self.head = CosineHead.of_class_means(self.clip, task)
        self.adapters.attach(updates)

    def _gradient_factors(self, task: TrainingTask) -> dict[str, tuple[Tensor, Tensor]]:
        """A [4L, in, r] and B₀ [4L, r, out] per tower, from the projected mean gradient."""
        factors = {}
        for tower, G in self._mean_gradients(task).items():
            G_hat = self.protected[tower].project_out(G)  # Ĝ = G − U(UᵀG), [4L, in, out]
            A, B = leading_factors(G_hat, min(self.config.rank, G.shape[-1]))  # U_r, S_r V_rᵀ
            # Where Ĝ has fewer than r directions, the rest of A is arbitrary; keep it off U too.
            factors[tower] = (self.protected[tower].project_out(A), B)
        return factors

    def _random_factors(self) -> dict[str, tuple[Tensor, Tensor]]:
        """A as LoRA draws it, kept off the protected directions, and B₀ = 0."""
        factors = {}
        for tower, attentions in self.clip.attentions().items():
            d, n = attentions[0].width, len(PROJECTIONS) * len(attentions)
            A = fresh_factor(n, d, self.config.rank).to(self.clip.device)
            B = torch.zeros(n, self.config.rank, d, device=self.clip.device)
            factors[tower] = (self.protected[tower].project_out(A), B)
        return factors

    def _mean_gradients(self, task: TrainingTask) -> dict[str, Tensor]:
        return mean_gradients(self.clip, task)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Every B, and the classifier of KeepLoRA+."""
        return (*self.adapters.parameters(), *(self.head.parameters() if self.head else ()))

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy alone, unless a classifier or a teacher was asked for."""
        features = self.clip.encode_images(batch.images)  # [B, D]
        logits = self.clip.logits(features, self.clip.encode_classes(batch.labels))
        loss = F.cross_entropy(logits + self.head(features) if self.head else logits, batch.targets)
        if self.teacher is not None:
            loss = loss + self._distillation(batch, features, logits)
        return loss

    def _distillation(self, batch: Batch, features: Tensor, logits: Tensor) -> Tensor:
        """Keep image features and text logits near those of the original CLIP."""
        c, teacher = self.config, self.teacher
        assert teacher is not None
        with torch.no_grad():
            f_T = teacher.encode_images(batch.images)
            l_T = teacher.logits(f_T, teacher.frozen_classes(batch.labels))
        drift = 1 - (features * f_T).sum(dim=-1).mean()
        return c.feature_distillation * drift + c.logit_distillation * soft_cross_entropy(
            l_T, logits, c.temperature
        )

    def after_task(self, task: TrainingTask) -> None:
        """Steps 7-9: W ← W' + s·AB, then M_t joins the protected directions."""
        self.adapters.merge()
        if self.head is not None:
            self.heads[task.labels.classnames] = self.head.requires_grad_(False)
            self.head = None
        self._protect_features(task)

    def _protect_features(self, task: TrainingTask) -> None:
        """Add the leading directions of the task's features, of the towers that protect some."""
        c = self.config
        shares = {"v": c.vision_feature_share, "t": c.text_feature_share}
        if not any(shares.values()):
            return
        statistic = BatchMean if c.feature_statistic == "batch_mean" else Gram
        grams = task_grams(self.clip, task, statistic, padded=c.text_positions == "padded")
        for tower, share in shares.items():
            known = self.protected[tower]
            if share == 0:
                continue
            if known.U.shape[-1] == 0:  # no weights protected: the first task follows step 0's rule
                self.protected[tower] = Subspaces.of_grams(grams[tower], share, c.rank_rule)
            else:
                self.protected[tower] = known.extended(grams[tower], share)

    def classifier(self, labels: LabelSpace) -> Classifier:
        """Text logits; for the classes of learned tasks, those of their cosine classifier on top."""
        texts = self.clip.encode_classes(labels)
        found = [(labels.find(names), head) for names, head in self.heads.items()]
        heads = [(first, head) for first, head in found if first is not None]

        def classify(images: Tensor) -> Tensor:
            features = self.clip.encode_images(images)
            logits = self.clip.logits(features, texts)
            for first, head in heads:
                logits[:, first : first + len(head.w)] += head(features)
            return logits

        return classify

    def state_dict(self) -> dict[str, Any]:
        """The changed weights, the protected directions and the classifiers.

        Within a task, the factors beside the weights and the task's classifier, too.
        """
        heads = {
            str(i): {"classnames": list(names), "w": head.w}
            for i, (names, head) in enumerate(self.heads.items())
        }
        return super().state_dict() | {
            "protected": packed(self.protected),
            "heads": heads,
            "factors": self.adapters.state_dict(),
            "head": {"w": self.head.w} if self.head is not None else {},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        super().load_state_dict(state)
        device, heads = self.clip.device, state.get("heads", {})
        for of in (heads[str(i)] for i in range(len(heads))):  # a file has another order
            head = CosineHead(of["w"].to(device)).requires_grad_(False)
            self.heads[tuple(of["classnames"])] = head
        self.protected = unpacked(state["protected"], device)
        self.adapters.load_state_dict(state.get("factors", {}))
        self.head = CosineHead(state["head"]["w"].to(device)) if "head" in state else None

    def diagnostics(self) -> dict[str, float]:
        """Protected dimensions of every matrix: ``subspace/<tower>.<block>.<q|k|v|o>``."""
        return occupancy(self.protected)
