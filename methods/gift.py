"""GIFT: full fine-tuning, held back by image-text pairs that a generator made of prompts.

Wu et al. 2025, "Synthetic Data is an Elegant GIFT for Continual Vision-Language Models", arXiv 2503.04229.
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
from cl_bench.benchmark.endless import Endless
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.benchmark.precision import full_precision
from cl_bench.benchmark.processes.sums import averaged
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.adaptive_consolidation import consolidate
from cl_bench.methods.configs.gift import GIFTConfig
from cl_bench.methods.distillation import soft_cross_entropy
from cl_bench.methods.finite import must_be_finite
from cl_bench.methods.known_gradient import with_gradient
from cl_bench.methods.reference_pairs import PairBatch, ReferencePairs


class GIFT(Method):
    """Train both towers on the task, while pairs keep images and texts where the last model had them.

    L = CE + L_held + λ Σ F (θ − θ*)², L_held = w_d (D(Q, S) + D(Qᵀ, Sᵀ)) + w_a (A(S) + A(Sᵀ)), where S and Q
    are the student's and the teacher's similarities of the pairs' images to their prompts, both [B, B].
    The teacher and θ* are the model before the task.
    """

    Config = GIFTConfig
    plain_weights: ClassVar[PlainWeights | None] = merged_weights
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: GIFTConfig, assets: Assets) -> None:
        """Keep the settings."""
        super().__init__(clip, config, assets)
        self.config, self.assets = config, assets
        self.normalise = clip.normaliser()
        self.weights = clip.weights()
        self.generator = torch.Generator()  # of the order of the pairs
        self.teacher: Clip | None = None  # within a task: the model before it, whose weights are θ*
        self.pairs: Endless[PairBatch] | None = None  # within a task
        self._place: Mapping[str, Any] = {}  # where `pairs` is to go on

    def before_task(self, task: TrainingTask) -> None:
        """The model as it is becomes the teacher."""
        if self.config.uses_pairs():
            self.teacher = copy.deepcopy(self.clip)
            self.generator.manual_seed(int(torch.randint(2**31, ())))
        self._open(task)

    def continue_task(self, task: TrainingTask) -> None:
        """The teacher came with the state; the pairs go on in place."""
        self._open(task)
        if self.pairs is not None:
            self.pairs.load_state_dict(self._place)

    def _open(self, task: TrainingTask) -> None:
        """What a task needs and does not draw."""
        if self.teacher is not None:
            assert self.assets.pairs is not None
            images, prompts = self.assets.pairs.of(task.name)
            known = ReferencePairs(images, prompts, self.normalise, self.teacher)
            must_be_finite(
                {"the teacher's features of the reference prompts": known.T_t}, task.name
            )
            self.pairs = known.batches(task.batch_size, self.generator)
            in_use = {
                "token_embedding.weight": known.token_ids
            }  # most of the table is in no prompt
            self.rows = [in_use.get(name) for name in self.weights]
        for weight in self.weights.values():
            weight.requires_grad_(True)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Both towers; the logit scale stays."""
        return self.weights.values()

    def loss(self, batch: Batch) -> Tensor:
        """L = CE + (L_held + λ Σ F (θ − θ*)²)."""
        smoothing = self.config.label_smoothing
        if self.pairs is None:
            return self.clip.cross_entropy(batch, smoothing)
        held = self._held(next(self.pairs))  # first: its activations are gone when CE's are made
        return self.clip.cross_entropy(batch, smoothing) + held

    def _held(self, pairs: PairBatch) -> Tensor:
        """L_held + λ Σ F (θ − θ*)², with g + 2 λ F (θ − θ*) as its gradient, g that of L_held.

        In float32 whatever the run's precision: the scale of an fp16 loss is not in g, and the squares
        of small gradients would be zero.
        """
        assert self.teacher is not None
        c, weights, start = (
            self.config,
            list(self.weights.values()),
            self.teacher.weights().values(),
        )
        with full_precision(self.clip.device):
            terms = self.terms(pairs)
            held = c.distillation * terms["distillation"] + c.alignment * terms["alignment"]
            g = averaged(torch.autograd.grad(held, weights, materialize_grads=True))
            # adds its gradient to g
            penalty = consolidate(g, weights, start, c.consolidation, self.rows)
        return with_gradient(held + penalty, weights, g)

    def terms(self, pairs: PairBatch) -> dict[str, Tensor]:
        """Distillation and alignment on B pairs, each before its weight."""
        images = self.clip.encode_images(pairs.images)  # [B, D]
        texts = F.normalize(self.clip.encode_text(pairs.tokens), dim=-1)  # [B, D]
        S, Q = self.clip.logits(images, texts), self.clip.logits(pairs.I_t, pairs.T_t)  # [B, B]
        T, smoothing = self.config.temperature, self.config.label_smoothing
        Y = shared_targets(pairs.prompts)  # [B, B], symmetric
        aligned = [F.cross_entropy(s, Y, label_smoothing=smoothing) for s in (S, S.T)]
        return {
            "distillation": soft_cross_entropy(Q, S, T) + soft_cross_entropy(Q.T, S.T, T),
            "alignment": aligned[0] + aligned[1],
        }

    def after_task(self, task: TrainingTask) -> None:
        """Freeze; the teacher and the pairs go."""
        for weight in self.weights.values():
            weight.requires_grad_(False).grad = None
        self.teacher = self.pairs = None

    def state_dict(self) -> dict[str, Any]:
        """The changed weights and, within a task, those of the teacher and where the pairs are."""
        if self.teacher is None or self.pairs is None:
            return super().state_dict()
        within = {
            "generator": self.generator.get_state(),
            "place": self.pairs.state_dict(),
            "teacher": self.teacher.changed_state(),
        }
        return super().state_dict() | {"within_task": within}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        if within := state.get("within_task", {}):
            self.teacher = copy.deepcopy(self.clip)  # still the pre-trained one
            self.teacher.load_changed_state(within.get("teacher", {}))
            self.generator.set_state(within["generator"])
            self._place = within.get("place", {})
        super().load_state_dict(state)


def shared_targets(prompts: Tensor) -> Tensor:
    """Y [B, B], Y_ij = 1/n where prompts i and j are the same, n how often it is in the batch; else 0.

    Args:
        prompts: which prompt each pair has, int64 [B].
    """
    same = (prompts[:, None] == prompts).float()
    return same / same.sum(dim=1, keepdim=True)
