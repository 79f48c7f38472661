"""ZSCL: full fine-tuning held back by distillation, an l2 term and an average of the weights.

Zheng et al. 2023, "Preventing Zero-Shot Transfer Degradation in Continual Learning of Vision-Language
Models", arXiv 2303.06628; published code Thunderbeee/ZSCL. Each part can be switched off, and other
methods are what is left: WC (``wc.toml``), LwF (``lwf.toml``), LwF-VR (``lwf-vr.toml``) and WiSE-FT
(``wise-ft.toml``). Their settings files extend ``zscl.toml``. With every part off, it is plain
fine-tuning, which stands by itself in ``finetune.py``.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.endless import Endless
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.benchmark.tokens import cut_padding
from cl_bench.methods.configs.zscl import ZSCLConfig
from cl_bench.methods.distillation import soft_cross_entropy
from cl_bench.methods.finite import must_be_finite
from cl_bench.methods.reference_images import ReferenceImages
from cl_bench.methods.reference_texts import encoded, random_texts
from cl_bench.methods.squared_distance import squared_distance


class ZSCL(Method):
    """Train both towers on the task while a frozen CLIP keeps the student's similarities in place.

    L = CE + D(Q, S) + D(Qᵀ, Sᵀ) + λ‖θ − θ_start‖², where S and Q are the student's and the teacher's
    similarities of reference images to the *teacher's* features R of reference texts. So neither
    distillation term sends a gradient into the text tower (as in the published code).
    """

    Config = ZSCLConfig
    plain_weights: ClassVar[PlainWeights | None] = merged_weights
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: ZSCLConfig, assets: Assets) -> None:
        """Keep a copy of the pre-trained model where it is to teach."""
        super().__init__(clip, config, assets)
        self.config = config
        self.assets = assets
        self.normalise = clip.normaliser()
        self.teacher = copy.deepcopy(clip) if config.distils() else None
        self.R: Tensor | None = None  # teacher's reference text features [N, D]
        self.F_T: ReferenceImages | None = None  # with the teacher's features of them
        self.generator = torch.Generator()  # of the order of the reference images
        self.source: Endless[Any] | None = None  # within a task: what is drawn for `references`
        self.references: Iterator[tuple[Tensor, Tensor]] = iter(())
        self._place: Mapping[str, Any] = {}  # where `source` is to go on
        self.random_texts = torch.zeros(0, clip.context_length, dtype=torch.int64)  # token ids
        self.start: dict[str, Tensor] = {}  # θ_start, within a task
        self.average: dict[str, Tensor] = {}  # θ̄, within a task

    def before_task(self, task: TrainingTask) -> None:
        """Let every weight but the logit scale train; remember where they start."""
        c, weights = self.config, self.clip.weights()
        self.start = _copied(weights) if c.l2 > 0 or c.wise_alpha < 1 else {}
        self.average = _copied(weights) if c.ensemble_every else {}
        self.snapshots = 1  # the average begins as θ_start
        if c.distils() and c.teacher == "previous":
            self.teacher, self.R, self.F_T = copy.deepcopy(self.clip), None, None
        if c.distils() and c.reference_texts == "random":
            self.random_texts = random_texts(self.clip)
        if c.distils() and c.reference_images == "external":
            self.generator.manual_seed(int(torch.randint(2**31, ())))
        self._open(task)

    def continue_task(self, task: TrainingTask) -> None:
        """Start, average, teacher and random texts came with the state; the images go on in place."""
        self._open(task)
        if self.source is not None:
            self.source.load_state_dict(self._place)

    def _open(self, task: TrainingTask) -> None:
        """What a task needs and does not draw."""
        self.weights = self.clip.weights()
        self.prompts = cut_padding(
            self.clip.tokenize([prompts[0] for prompts in task.labels.prompts])
        )
        if self.config.distils():
            self._encode_reference_texts(task.name)
            self.references = (
                self._external_references(task.batch_size)
                if self.config.reference_images == "external"
                else self._task_references(task)
            )
        for weight in self.weights.values():
            weight.requires_grad_(True)

    def _encode_reference_texts(self, task: str) -> None:
        """The teacher's features of them: once a run where nothing changes."""
        kind, teacher = self.config.reference_texts, self.teacher
        if kind == "external" and self.R is not None:
            return
        assert teacher is not None
        tokens = {
            "external": lambda: self.clip.tokenize(self.assets.texts),
            "prompts": lambda: self.prompts,
            "random": lambda: self.random_texts,
        }[kind]()
        self.R = encoded(teacher, tokens)
        must_be_finite({"the teacher's features of the reference texts": self.R}, task)

    def _external_references(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Endless batches of reference images and the teacher's features of them."""
        images = self.assets.images
        assert images is not None and self.teacher is not None
        self.F_T = self.F_T or ReferenceImages(images, self.normalise, self.teacher)
        self.source = self.F_T.batches(batch_size, self.generator)
        return self.source

    def _task_references(self, task: TrainingTask) -> Iterator[tuple[Tensor, Tensor]]:
        """The same, of the task's own images in an order of their own."""
        self.source = task.endless(plain=True)
        return map(self._with_features, self.source)

    @torch.no_grad()
    def _with_features(self, batch: Batch) -> tuple[Tensor, Tensor]:
        assert self.teacher is not None
        return batch.images, self.teacher.encode_images(batch.images)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Both towers; the logit scale stays."""
        return self.weights.values()

    def loss(self, batch: Batch) -> Tensor:
        """L = CE + w_i·D(Q, S) + w_t·D(Qᵀ, Sᵀ) + λ·‖θ − θ_start‖²."""
        c = self.config
        weight = {"ce": 1.0, "image": c.image_distillation, "text": c.text_distillation, "l2": c.l2}
        weighted = [weight[name] * term for name, term in self.terms(batch).items()]
        return torch.stack(weighted).sum()

    def terms(self, batch: Batch) -> dict[str, Tensor]:
        """The terms of the loss that are switched on, each before its weight."""
        c = self.config
        T = F.normalize(self.clip.encode_text(self.prompts), dim=-1)  # [C, D]
        x_r, F_T = next(self.references) if c.distils() else (batch.images[:0], None)
        both = self.clip.encode_images(torch.cat([batch.images, x_r]))  # one forward for both
        features, F_S = both.split([len(batch.images), len(x_r)])  # [B, D], [B_r, D]
        logits = self.clip.logits(features, T)
        smoothing = c.label_smoothing
        terms = {"ce": F.cross_entropy(logits, batch.targets, label_smoothing=smoothing)}
        if F_T is not None:
            assert self.R is not None
            S, Q = self.clip.logits(F_S, self.R), self.clip.logits(F_T, self.R)  # [B_r, N]
            terms["image"] = soft_cross_entropy(Q, S, c.temperature)
            terms["text"] = soft_cross_entropy(Q.T, S.T, c.temperature)
        if c.l2 > 0:
            terms["l2"] = squared_distance(self.weights.values(), self.start.values())
        return terms

    @torch.no_grad()
    def after_step(self, step: int) -> None:
        """θ̄ ← (n·θ̄ + θ)/(n + 1) after steps 1, 1 + every, 1 + 2·every, ... (WE)."""
        if self.average and (step - 1) % self.config.ensemble_every == 0:
            self.snapshots += 1
            for name, mean in self.average.items():
                mean.lerp_(self.weights[name], 1 / self.snapshots)

    @torch.no_grad()
    def after_task(self, task: TrainingTask) -> None:
        """Carry the average on, or the mix with the start; freeze."""
        for name, weight in self.weights.items():
            weight.requires_grad_(False).grad = None
            if self.average:
                weight.copy_(self.average[name])
            if self.config.wise_alpha < 1:
                weight.copy_(torch.lerp(self.start[name], weight, self.config.wise_alpha))
        self.start, self.average = {}, {}
        self.source, self.references = None, iter(())

    def state_dict(self) -> dict[str, Any]:
        """The changed weights and, within a task, what they are held by and where its images are."""
        within: dict[str, Any] = {"start": self.start, "average": self.average}
        if self.average:
            within["snapshots"] = self.snapshots
        if self.source is not None:
            assert self.teacher is not None
            within["place"] = self.source.state_dict()
            within["generator"] = self.generator.get_state()
            within["teacher"] = self.teacher.changed_state()
            within["random_texts"] = self.random_texts
        return super().state_dict() | {"within_task": within}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        super().load_state_dict(state)
        within = state.get("within_task", {})
        self.start = self._in_order(within.get("start", {}))
        self.average = self._in_order(within.get("average", {}))
        self.snapshots = within.get("snapshots", 1)
        if "generator" in within:
            assert self.teacher is not None
            self._place = within.get("place", {})
            self.generator.set_state(within["generator"])
            self.teacher.load_changed_state(within.get("teacher", {}))
            self.random_texts = within["random_texts"].to(self.clip.device)

    def _in_order(self, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Kept weights in the order of the model's own, with which they are paired."""
        names = self.clip.weights() if kept else ()
        return {name: kept[name].to(self.clip.device) for name in names}


def _copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in weights.items()}
