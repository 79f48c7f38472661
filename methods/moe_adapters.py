"""MoE-Adapters: experts beside every block, a router per task, and a selector of routers for test images.

Yu et al. 2024, "Boosting Continual Learning of Vision-Language Models via Mixture-of-Experts Adapters",
CVPR, arXiv 2403.11549; published code JiazuoYu/MoE-Adapters4CL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.endless import shuffled
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.reading import Reading
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask
from cl_bench.methods.auto_selector import AutoEncoder, AutoSelector, fit
from cl_bench.methods.configs.moe_adapters import ROUTED_TOGETHER, MoEAdaptersConfig
from cl_bench.methods.experts import NO_ROUTER, Experts, attach
from cl_bench.methods.finite import must_be_finite


class MoEAdapters(Method):
    """Frozen CLIP blocks plus y, a gated mixture of adapters: h + MLP(ln_2 h) + y(h).

    A task trains its own router and every expert that no earlier task has frozen. At test the
    auto-selector names the router of an image, or none: then the image and its classes are encoded
    by the untouched CLIP.
    """

    Config = MoEAdaptersConfig

    def __init__(self, clip: Clip, config: MoEAdaptersConfig, assets: Assets) -> None:
        """Put experts beside every block; they compute nothing yet."""
        super().__init__(clip, config, assets)
        assert assets.selector is not None and assets.images is not None
        self.config, self.anchor = config, assets.images
        self.normalise = clip.normaliser()
        self.selector = AutoSelector(assets.selector, config.selector_hidden, config.threshold)
        self.experts: dict[str, list[Experts]] = {"v": [], "t": []}
        for tower, blocks in clip.blocks().items():
            for block, attention in zip(blocks, clip.attentions()[tower], strict=True):
                experts = Experts(
                    attention.width, config.experts, config.bottleneck, config.top_k,
                    config.dropout, clip.device,
                ).requires_grad_(False)  # fmt: skip
                attach(block, experts)
                self.experts[tower].append(experts)
        self.learned = 0

    def _all(self) -> Iterable[Experts]:
        return (*self.experts["v"], *self.experts["t"])

    def before_task(self, task: TrainingTask) -> None:
        """A router for the task; before the first one, the experts' and the selector's start."""
        if self.learned == 0:
            for experts in self._all():
                experts.draw_start()
            self._fit_anchor(task)
        for experts in self._all():
            while len(experts.w_gate) <= max(self.learned, self.config.slots - 1):
                experts.add_router()
            experts.begin(self.learned)

    def continue_task(self, task: TrainingTask) -> None:
        """Train on; routers, choices and the selector came with the state."""
        for experts in self._all():
            experts.go_on(self.learned)

    def _fit_anchor(self, task: TrainingTask) -> None:
        """Auto-encoder 0: the reference set, which stands for everything that is no task."""
        c, images, batch_size = self.config, self.anchor, task.batch_size
        encoder = self.selector.encoder(0, self._one_image())
        rows = shuffled(len(images), batch_size, torch.default_generator)
        features = (self.selector.features(self.normalise(images.take(some))) for some in rows)
        losses = fit(
            encoder, features, c.reference_steps, -(-len(images) // batch_size), c.selector_lr
        )
        _must_have_learned("the reference", encoder, losses, task.name)
        self.selector.encoder(c.slots, self._one_image())

    def _one_image(self) -> Tensor:
        """Something for the selector to measure its features on, [1, 3, S, S]."""
        return self.normalise(self.anchor.take(torch.tensor([0])))

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Every expert that is not frozen, and the task's router."""
        return (p for experts in self._all() for p in experts.trained())

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy; the published load-balance term is computed and thrown away there."""
        classes = self.clip.encode_classes(batch.labels)  # text first: the order of random draws
        logits = self.clip.logits(self.clip.encode_images(batch.images), classes)
        chosen = torch.stack([experts.chosen_now for experts in self._all()])
        self.chosen = Reading(chosen)
        if not chosen.is_cuda:  # known at once: no gradient is made for experts that nobody chose
            for experts, times in zip(self._all(), self.chosen.values(), strict=True):
                experts.trains_now = [n > 0 for n in times]
        return F.cross_entropy(logits, batch.targets, label_smoothing=self.config.label_smoothing)

    def after_backward(self) -> None:
        """Let the experts rest whom no sample chose. The device has the backward pass to do now."""
        for experts, times in zip(self._all(), self.chosen.values(), strict=True):
            experts.rest(times)

    def after_task(self, task: TrainingTask) -> None:
        """Freeze the most used experts; teach the selector what the task looks like."""
        c = self.config
        for experts in self._all():
            experts.end(c.freeze)
        self.learned += 1
        encoder = self.selector.encoder(self.learned, self._one_image())
        features = (self.selector.features(batch.images) for batch in task.endless())
        losses = fit(encoder, features, c.selector_steps, task.batches_per_epoch(), c.selector_lr)
        _must_have_learned("the task's", encoder, losses, task.name)

    def classifier(self, labels: LabelSpace) -> Classifier:
        """Route every image (or batch), then compare with classes encoded by the same router.

        The images of a batch pass in one go, each by its own router. On a GPU, classes are encoded by
        every router from the start: whom a batch needs is known on the device alone.
        """
        together = ROUTED_TOGETHER if self.config.routing == "batch" else 1
        routers = range(NO_ROUTER, max(len(self.selector.encoders) - 1, 0))
        classes = [torch.zeros(0)] * len(routers)  # by each router, [C, D]; empty: not needed yet

        def encode(needed: Iterable[int]) -> None:
            for router in needed:
                if not len(classes[router - NO_ROUTER]):
                    classes[router - NO_ROUTER] = self._classes(router, labels)

        if self.clip.model.logit_scale.is_cuda or len(routers) == 1:
            encode(routers)

        def classify(images: Tensor) -> Tensor:
            if len(routers) == 1:  # nothing was learned
                return self.clip.logits(self.clip.encode_images(images), classes[0])
            chosen = self.selector.choose(images, together)  # [B]
            if not chosen.is_cuda:
                encode(chosen.unique().tolist())
            with self._routed(chosen):
                features = self.clip.encode_images(images)
            return self._own_logits(features, classes, chosen)

        return classify

    def _own_logits(self, features: Tensor, classes: list[Tensor], chosen: Tensor) -> Tensor:
        """Logits [B, C] of features [B, D] over the classes of each image's router, int64 [B]."""
        nothing = torch.zeros_like(max(classes, key=len))  # of routers that no image has
        every = torch.cat([of_router if len(of_router) else nothing for of_router in classes])
        by_router: Tensor = self.clip.logits(features, every).unflatten(-1, (-1, len(nothing)))
        return by_router[torch.arange(len(chosen), device=chosen.device), chosen - NO_ROUTER]

    def _classes(self, router: int, labels: LabelSpace) -> Tensor:
        """The classes as ``router`` encodes them, [C, D]."""
        self._use(router)
        classes = self.clip.encode_classes(labels)
        self._use(NO_ROUTER)
        return classes

    def _use(self, router: int) -> None:
        for experts in self._all():
            experts.router = router

    @contextmanager
    def _routed(self, routers: Tensor) -> Iterator[None]:
        """Inside, a router of its own for every image of a batch, int64 [B]."""
        for experts in self.experts["v"]:
            experts.routers = routers
        yield
        for experts in self.experts["v"]:
            experts.routers = None

    def state_dict(self) -> dict[str, Any]:
        """Experts, routers, what is frozen, and the auto-encoders; CLIP itself never changes."""
        return {
            "learned": self.learned,
            "experts": {
                f"{tower}{i}": dict(experts.state_dict())
                for tower, of in self.experts.items()
                for i, experts in enumerate(of)
            },
            "selector": {
                str(k): dict(e.state_dict()) for k, e in enumerate(self.selector.encoders)
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        self.learned = state["learned"]
        for tower, of in self.experts.items():
            for i, experts in enumerate(of):
                kept = state["experts"][f"{tower}{i}"]
                while f"w_gate.{len(experts.w_gate)}" in kept:
                    experts.add_router()
                experts.load_state_dict(kept)
        for k in range(len(state["selector"])):
            encoder = self.selector.encoder(k, self._one_image())
            encoder.load_state_dict(state["selector"][str(k)])

    def diagnostics(self) -> dict[str, float]:
        """Frozen experts of every block: ``frozen/<tower>.<block>``."""
        return {
            f"frozen/{tower}.{i}": int(experts.frozen.sum())
            for tower, of in self.experts.items()
            for i, experts in enumerate(of)
        }


def _must_have_learned(whose: str, encoder: AutoEncoder, losses: list[float], task: str) -> None:
    """Raise ``NotFiniteError`` where an auto-encoder has diverged: it would take every image or none."""
    what = f"the selector's auto-encoder of {whose} images"
    weights = nn.utils.parameters_to_vector(encoder.parameters())
    must_be_finite({f"the loss of {what}": torch.tensor(losses), what: weights}, task)
