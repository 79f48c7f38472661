"""KeepLoRA: low-rank updates confined to the residual subspace of weights and earlier features.

Equations are those of the paper (Luo et al. 2026, arXiv 2601.19659), written for y = x W with
W ∈ R^{in×out}; torch stores Wᵀ. Where the published code computes something else, a setting chooses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field, model_validator
from torch import Tensor, nn

from cl_bench.benchmark.clip import Clip, cut_padding
from cl_bench.benchmark.method import Method, MethodConfig
from cl_bench.benchmark.task import LabelSpace, TrainingTask
from cl_bench.methods.features import BatchMean, Gram, Statistic, watching
from cl_bench.methods.low_rank import PROJECTIONS, Adapters, LowRank
from cl_bench.methods.subspace import RankRule, Subspaces, leading_factors

Share = Annotated[float, Field(ge=0, le=1)]

VARIANTS: dict[str, dict[str, str]] = {
    "released": {
        "weight_side": "output",
        "rank_rule": "below",
        "feature_statistic": "batch_mean",
        "text_positions": "padded",
    },
    "paper": {
        "weight_side": "input",
        "rank_rule": "reach",
        "feature_statistic": "gram",
        "text_positions": "prompt",
    },
}


class KeepLoRAConfig(MethodConfig):
    """KeepLoRA's hyper-parameters (published code, ``configs``) and its four quirks."""

    rank: Annotated[int, Field(ge=1)] = 16
    """Rank r of every update."""
    alpha: Annotated[float, Field(gt=0)] = 1.0
    """Numerator of the scale s = alpha / r."""
    vision_weight_share: Share = 0.85
    """ε_w of the vision tower: energy of the pretrained weights to protect; 0 protects none."""
    text_weight_share: Share = 0.2
    """ε_w of the text tower."""
    feature_share: Share = 0.99
    """ε_f: energy of each task's features to protect, both towers."""
    variant: Literal["released", "paper"] = "released"
    """Whose computation to follow; sets the four switches below that are not set by name."""
    weight_side: Literal["output", "input"]
    """Side of W whose singular vectors are protected (the code takes the output's by mistake)."""
    rank_rule: RankRule
    """``reach`` the energy share, or stop one direction ``below`` it."""
    feature_statistic: Literal["batch_mean", "gram"]
    """Element-wise mean of the batches, or the Gram matrix of all features."""
    text_positions: Literal["padded", "prompt"]
    """Text features of all positions, padding included, or of the prompt's own tokens."""

    @model_validator(mode="before")
    @classmethod
    def _fill_switches(cls, given: dict[str, Any]) -> dict[str, Any]:
        return VARIANTS.get(given.get("variant", "released"), {}) | given


class KeepLoRA(Method):
    """Keep LoRA's updates orthogonal to what the model and the earlier tasks rely on.

    Before task t the mean gradient is projected off the protected directions, Ĝ = G − U(UᵀG), and
    its leading left singular vectors become the frozen A; only B trains. After the task the update
    is merged and the dominant directions of the task's features join U.
    """

    Config = KeepLoRAConfig

    def __init__(self, clip: Clip, config: KeepLoRAConfig) -> None:
        """Find the principal subspace of every pretrained q, k, v and o (step 0)."""
        super().__init__(clip, config)
        self.config = config
        self.adapters = Adapters(clip)
        self.protected = {tower: self._weight_subspaces(tower) for tower in clip.attentions()}

    @torch.no_grad()
    def _weight_subspaces(self, tower: str) -> Subspaces:
        """W_p: the leading singular vectors of each W up to ε_w of its energy."""
        c = self.config
        W = self._weights(tower)  # [n, out, in]
        share = c.vision_weight_share if tower == "v" else c.text_weight_share
        if share <= 1e-8:  # the published code's limit
            return Subspaces.empty(len(W), W.shape[-1], W.device)
        W = W.double()
        grams = W @ W.mT if c.weight_side == "output" else W.mT @ W
        return Subspaces.of_grams(grams, share, c.rank_rule)

    def _weights(self, tower: str) -> Tensor:
        """The q, k, v, o weights of every block, [4L, out, in]."""
        blocks = self.clip.attentions()[tower]
        return torch.cat([_four(a.in_proj_weight, a.out_proj.weight) for a in blocks])

    def before_task(self, task: TrainingTask) -> None:
        """Steps 2-4: mean gradient, projection, A and B₀; W' = W − s·AB₀ is implied by B_start."""
        gradients = self._mean_gradients(task)
        updates = {}
        for tower, G in gradients.items():
            G_hat = self.protected[tower].project_out(G)  # Ĝ = G − U(UᵀG), [4L, in, out]
            A, B = leading_factors(G_hat, min(self.config.rank, G.shape[-1]))  # U_r, S_r V_rᵀ
            # Where Ĝ has fewer than r directions, the rest of A is arbitrary; keep it off U too.
            A = self.protected[tower].project_out(A)
            updates[tower] = [
                LowRank(A_l, B_l, B_l.clone(), self.config.alpha / self.config.rank, train_A=False)
                for A_l, B_l in zip(
                    A.split(len(PROJECTIONS)), B.split(len(PROJECTIONS)), strict=True
                )
            ]
        self.adapters.attach(updates)

    def _mean_gradients(self, task: TrainingTask) -> dict[str, Tensor]:
        """G = ∇_W L averaged over one pass, transposed to y = x W: [4L, in, out] per tower.

        The weights stand still, so the text features are computed once; ∂L/∂(text features) is
        summed over the batches and sent through the text tower once, exact by linearity.
        """
        matrices = [
            weight
            for attentions in self.clip.attentions().values()
            for a in attentions
            for weight in (a.in_proj_weight, a.out_proj.weight)
        ]
        for weight in matrices:
            weight.requires_grad_(True)
        classes = self.clip.encode_classes(task.labels)  # [C, D]
        leaf = classes.detach().requires_grad_(True)
        batches = 0
        for batch in task.epoch(drop_last=True):
            logits = self.clip.logits(self.clip.encode_images(batch.images), leaf)
            F.cross_entropy(logits, batch.targets).backward()
            batches += 1
        classes.backward(leaf.grad)
        gradients = {
            tower: torch.cat(
                [_four(_grad(a.in_proj_weight), _grad(a.out_proj.weight)).mT for a in attentions]
            ).div_(batches)
            for tower, attentions in self.clip.attentions().items()
        }
        for weight in matrices:
            weight.requires_grad_(False).grad = None
        return gradients

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Every B."""
        return self.adapters.parameters()

    def after_task(self, task: TrainingTask) -> None:
        """Steps 7-9: W ← W' + s·AB, then M_t joins the protected directions."""
        self.adapters.merge()
        for tower, grams in self._feature_grams(task).items():
            known = self.protected[tower]
            if known.U.shape[-1] == 0:  # no weights protected: the first task follows step 0's rule
                rule = self.config.rank_rule
                self.protected[tower] = Subspaces.of_grams(grams, self.config.feature_share, rule)
            else:
                self.protected[tower] = known.extended(grams, self.config.feature_share)

    @torch.no_grad()
    def _feature_grams(self, task: TrainingTask) -> dict[str, Tensor]:
        """Gram matrices of the inputs of q, k, v, o, float64 [4L, d, d] per tower."""
        attentions = self.clip.attentions()
        statistic = BatchMean if self.config.feature_statistic == "batch_mean" else Gram
        with watching(attentions["v"], statistic) as vision:
            for batch in task.epoch(drop_last=True):
                self.clip.encode_images(batch.images)
        return {"v": _per_matrix(vision), "t": _per_matrix(self._text_statistics(task.labels))}

    def _text_statistics(self, labels: LabelSpace) -> list[dict[str, Statistic]]:
        """One forward pass over the task's prompts."""
        tokens = self.clip.tokenize([prompt for prompts in labels.prompts for prompt in prompts])
        keep = None
        if self.config.text_positions == "prompt":
            tokens = cut_padding(tokens)
            positions = torch.arange(tokens.shape[1], device=tokens.device)
            keep = positions <= tokens.argmax(dim=-1, keepdim=True)  # [C, L], up to end-of-text
        # One forward is one batch: its mean is itself, so that MMᵀ is the plain Gram matrix.
        with watching(self.clip.attentions()["t"], lambda: Gram(keep)) as text:
            self.clip.encode_text(tokens)
        return text

    def state_dict(self) -> dict[str, Any]:
        """The changed weights and the protected directions."""
        protected = {t: {"U": s.U, "rank": s.rank} for t, s in self.protected.items()}
        return super().state_dict() | {"protected": protected}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        super().load_state_dict(state)
        for tower, of in state["protected"].items():
            self.protected[tower] = Subspaces(
                of["U"].to(self.clip.device), of["rank"].to(self.clip.device)
            )

    def diagnostics(self) -> dict[str, float]:
        """Protected dimensions of every matrix: ``subspace/<tower>.<block>.<q|k|v|o>``."""
        return {
            f"subspace/{tower}.{i // 4}.{PROJECTIONS[i % 4]}": rank
            for tower, subspaces in self.protected.items()
            for i, rank in enumerate(subspaces.rank.tolist())
        }


def _four(in_proj: Tensor, out_proj: Tensor) -> Tensor:
    """Packed [3d, d] and output [d, d] matrices as q, k, v, o, [4, d, d]."""
    return torch.cat([in_proj.unflatten(0, (3, -1)), out_proj[None]])


def _grad(weight: Tensor) -> Tensor:
    assert weight.grad is not None, "the gradient pass reached no batch"
    return weight.grad


def _per_matrix(statistics: list[dict[str, Statistic]]) -> Tensor:
    """One Gram matrix per q, k, v, o, of which q, k and v share theirs, [4L, d, d]."""
    pairs = [(of["in"].gram(), of["out"].gram()) for of in statistics]
    return torch.stack([gram for x, h in pairs for gram in (x, x, x, h)])
