"""ZSCL and its siblings: full fine-tuning held back by distillation, an anchor and weight averages.

Zheng et al. 2023, "Preventing Zero-Shot Transfer Degradation in Continual Learning of Vision-Language
Models", arXiv 2303.06628; published code Thunderbeee/ZSCL. One loop, written with everything on; its
siblings (continual fine-tuning, WC, LwF, LwF-VR, WiSE-FT, ZSCL*) switch parts off in their settings.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets, Need
from cl_bench.benchmark.clip import Clip, cut_padding
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method, MethodConfig
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.distillation import soft_cross_entropy

Weight = Annotated[float, Field(ge=0)]

TEXTS_AT_ONCE = 256  # reference texts per forward pass
IMAGES_AT_ONCE = 64  # reference images per forward pass
RANDOM_TEXTS, RANDOM_LENGTH = 1000, 10  # LwF-VR: sentences, and random tokens in each


class ZSCLConfig(MethodConfig):
    """What holds the weights back; the defaults are ZSCL's (scripts/ZSCL.sh)."""

    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.2
    """Of the cross-entropy."""
    image_distillation: Weight = 1.0
    """Weight of the term whose softmax runs over the reference texts."""
    text_distillation: Weight = 1.0
    """Weight of the term whose softmax runs over the images of the batch."""
    temperature: Annotated[float, Field(gt=0)] = 2.0
    """Softens both sides of the distillation."""
    teacher: Literal["original", "previous"] = "original"
    """The pre-trained CLIP, or the model as it was before the task."""
    reference_images: Literal["external", "task"] = "external"
    """Images to distil on: of the reference set, or of the task itself."""
    reference_texts: Literal["external", "prompts", "random"] = "external"
    """Texts to distil on: of the reference set, the task's prompts, or random tokens."""
    l2: Weight = 1.0
    """λ of λ·Σ(θ − θ_start)², over every weight, neither halved nor averaged."""
    ensemble_every: Annotated[int, Field(ge=0)] = 100
    """Steps between two snapshots of the weight average that the task ends with; 0: no average."""
    wise_alpha: Annotated[float, Field(gt=0, le=1)] = 1.0
    """After the task θ ← α·θ + (1 − α)·θ_start (WiSE-FT)."""

    def distils(self) -> bool:
        """Whether there is a teacher."""
        return self.image_distillation > 0 or self.text_distillation > 0

    def needs(self) -> tuple[Need, ...]:
        """The reference set, where it is distilled on."""
        images: tuple[Need, ...] = ("reference images",)
        texts: tuple[Need, ...] = ("reference texts",)
        return (
            *(images if self.distils() and self.reference_images == "external" else ()),
            *(texts if self.distils() and self.reference_texts == "external" else ()),
        )


class ZSCL(Method):
    """Train both towers on the task while a frozen CLIP keeps the student's similarities in place.

    L = CE + D(Q, S) + D(Qᵀ, Sᵀ) + λ‖θ − θ_start‖², where S and Q are the student's and the teacher's
    similarities of reference images to the *teacher's* features R of reference texts. So neither
    distillation term sends a gradient into the text tower (as in the published code).
    """

    Config = ZSCLConfig

    def __init__(self, clip: Clip, config: ZSCLConfig, assets: Assets) -> None:
        """Keep a copy of the pre-trained model where it is to teach."""
        super().__init__(clip, config, assets)
        self.config = config
        self.assets = assets
        self.normalise = clip.normaliser()
        self.teacher = copy.deepcopy(clip) if config.distils() else None
        self.R: Tensor | None = None  # teacher's reference text features [N, D]
        self.F_T: _Remembered | None = None  # teacher's features of the reference images

    def before_task(self, task: TrainingTask) -> None:
        """Let every weight but the logit scale train; remember where they start."""
        c = self.config
        self.weights = self.clip.weights()
        anchored = c.l2 > 0 or c.wise_alpha < 1
        self.start = _copied(self.weights) if anchored else {}  # θ_start
        self.average = _copied(self.weights) if c.ensemble_every else {}  # θ̄
        self.snapshots = 1  # the average begins as θ_start
        self.prompts = cut_padding(
            self.clip.tokenize([prompts[0] for prompts in task.labels.prompts])
        )
        if c.distils():
            self._prepare_teacher()
            self.references = (
                self._external_references(task.batch_size)
                if c.reference_images == "external"
                else self._task_references(task)
            )
        for weight in self.weights.values():
            weight.requires_grad_(True)

    def _prepare_teacher(self) -> None:
        """Choose the teacher and encode the reference texts: once a run where nothing changes."""
        c = self.config
        if c.teacher == "previous":
            self.teacher = copy.deepcopy(self.clip)
            self.F_T = None
        elif c.reference_texts == "external" and self.R is not None:
            return
        assert self.teacher is not None
        tokens = {
            "external": lambda: self.clip.tokenize(self.assets.texts),
            "prompts": lambda: self.prompts,
            "random": lambda: _random_texts(self.clip),
        }[c.reference_texts]()
        with torch.no_grad():
            self.R = torch.cat(
                [
                    F.normalize(self.teacher.encode_text(cut_padding(part)), dim=-1)
                    for part in tokens.split(TEXTS_AT_ONCE)
                ]
            )

    def _external_references(self, batch_size: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Endless batches of reference images and the teacher's features of them."""
        images = self.assets.images
        assert images is not None and self.teacher is not None
        self.F_T = self.F_T or _Remembered(images, self.normalise, self.teacher)
        generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))
        while True:
            for rows in torch.randperm(len(images), generator=generator).split(batch_size):
                yield self.normalise(images.take(rows)), self.F_T.of(rows)

    def _task_references(self, task: TrainingTask) -> Iterator[tuple[Tensor, Tensor]]:
        """The same, of the task's own images in an order of their own."""
        assert self.teacher is not None
        for batch in task.endless(plain=True):
            with torch.no_grad():  # not around the yield, which would switch it off outside, too
                F_T = self.teacher.encode_images(batch.images)
            yield batch.images, F_T

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


def _copied(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: weight.detach().clone() for name, weight in weights.items()}


class _Remembered:
    """The teacher's features of reference images, computed when an image is first asked for.

    Exact: the images are never augmented and the teacher never changes. They are encoded in fixed
    groups, whoever asks first, so that a resumed run remembers the same bits.
    """

    def __init__(self, images: Images, normalise: Pixels, teacher: Clip) -> None:
        self._images, self._normalise, self._teacher = images, normalise, teacher
        self._features = torch.zeros(len(images), teacher.model.visual.output_dim)
        self._features = self._features.to(teacher.device)
        self._known: set[int] = set()  # groups

    @torch.no_grad()
    def of(self, rows: Tensor) -> Tensor:
        """Features [B, D] of the images ``rows``, int64 [B] on the CPU."""
        for group in set((rows // IMAGES_AT_ONCE).tolist()) - self._known:
            end = min((group + 1) * IMAGES_AT_ONCE, len(self._images))
            here = torch.arange(group * IMAGES_AT_ONCE, end)
            images = self._normalise(self._images.take(here))
            self._features[here] = self._teacher.encode_images(images).float()
            self._known.add(group)
        return self._features[rows.to(self._features.device)]


class _SquaredDistance(torch.autograd.Function):
    """Σ(θ − θ_start)² with its gradient 2(θ − θ_start) written down: one copy of θ, no graph."""

    @staticmethod
    def forward(ctx: Any, count: int, *tensors: Tensor) -> Tensor:
        pairs = zip(tensors[:count], tensors[count:], strict=True)
        ctx.differences = [theta - start for theta, start in pairs]
        # Pairwise sums: a float32 dot product over a token table is off by 1e-3 on some processors.
        return torch.stack([d.square().sum() for d in ctx.differences]).sum()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        twice = 2 * gradients[0]
        return (None, *(d.mul_(twice) for d in ctx.differences), *[None] * len(ctx.differences))


def squared_distance(weights: Iterable[Tensor], start: Iterable[Tensor]) -> Tensor:
    """Σ‖θ − θ_start‖² over pairs of tensors, a scalar; differentiable in the first."""
    weights = list(weights)
    distance: Tensor = _SquaredDistance.apply(len(weights), *weights, *start)
    return distance


def _random_texts(clip: Clip) -> Tensor:
    """Random sentences between start and end of text, int64 [N, 77] (LwF-VR)."""
    bounds = clip.tokenize([""])[0, :2]  # the ids of start and end of text
    tokens = torch.zeros(RANDOM_TEXTS, clip.context_length, dtype=torch.int64)
    tokens[:, 0] = bounds[0]
    tokens[:, 1 : 1 + RANDOM_LENGTH] = torch.randint(int(bounds[0]), (RANDOM_TEXTS, RANDOM_LENGTH))
    tokens[:, 1 + RANDOM_LENGTH] = bounds[1]
    return tokens.to(clip.device)
