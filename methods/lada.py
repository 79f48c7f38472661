"""LADA: adapters of the text tower, centres of each class as a second classifier, drawn features as replay.

Luo et al. 2025, "LADA: Scalable Label-Specific CLIP Adapter for Continual Learning", ICML, arXiv 2505.23271;
published code tri2911/LADA.
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
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.precision import full_precision
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask
from cl_bench.methods.class_centres import centres_of, nearness
from cl_bench.methods.class_memory import ClassMemory
from cl_bench.methods.configs.lada import LADAConfig
from cl_bench.methods.feature_mixtures import Mixtures
from cl_bench.methods.finite import must_be_finite
from cl_bench.methods.image_features import image_features
from cl_bench.methods.learned_classes import Names, places
from cl_bench.methods.text_adapter import BranchBesideMLP, attach

NEVER = -1e6  # added to classes that must not win (published code)


class LADA(Method):
    """Logits 100 f·t_c + α Σ_w exp(-β(1 - f·w)) over the centres w of class c; CLIP's image tower is frozen.

    While a task is learned, its text features t_c come through fresh adapters and its centres train,
    against all earlier classes, whose text features and centres stand still. One feature is drawn from
    every Gaussian of every earlier class beside each batch.
    """

    Config = LADAConfig
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: LADAConfig, assets: Assets) -> None:
        """Nothing is learned yet."""
        super().__init__(clip, config, assets)
        self.config = config
        self.memories: dict[Names, ClassMemory] = {}  # of learned tasks, by their class names
        self.earlier: ClassMemory | None = None  # what the task being learned is learned against
        self.branches = nn.ModuleList()  # of the task being learned, one for each text block
        self.attached: list[RemovableHandle] = []
        self.W: nn.Parameter | None = None  # the task's centres, [C, k, D]

    def before_task(self, task: TrainingTask) -> None:
        """Features of all images once, as the image tower gives them; k-means centres; fresh adapters."""
        c, classes = self.config, len(task.labels.classnames)
        self.X, self.y = image_features(self.clip, task, plain=True, normalised=False)
        centres, self.held = centres_of(F.normalize(self.X, dim=-1), self.y, classes, c.clusters)
        self.W = nn.Parameter(centres)
        self.branches = self._fresh_branches()
        self.continue_task(task)

    def _fresh_branches(self) -> nn.ModuleList:
        c, texts = self.config, self.clip.attentions()["t"]
        each = (BranchBesideMLP(a.width, c.bottleneck, c.adapter_scale) for a in texts)
        return nn.ModuleList(each).to(self.clip.device)

    def continue_task(self, task: TrainingTask) -> None:
        """Let adapters and centres train, against what is kept of the other tasks."""
        self.attached = attach(self.clip.blocks()["t"], list(self.branches))  # type: ignore[arg-type]
        self.cropped = task.cropped
        others = [m for names, m in self.memories.items() if names != task.labels.classnames]
        self.earlier = ClassMemory.together(others) if others else None
        if self.earlier:
            classes, components = self.earlier.mixtures.weights.shape
            drawn = torch.arange(classes).repeat_interleave(components)
            self.drawn_targets = drawn.to(self.clip.device)
            self.drawn_count = int((self.earlier.mixtures.weights > 0).sum())

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """The adapters and the task's centres."""
        centres = (self.W,) if self.W is not None and self.W.numel() else ()
        return (*self.branches.parameters(), *centres)

    def loss(self, batch: Batch) -> Tensor:
        """Cross-entropy over all classes so far: of images, and of features drawn for earlier classes."""
        assert self.W is not None
        f, targets = self._image_features(batch), batch.targets
        texts, own = self.clip.encode_classes(batch.labels), (self.W, self.held)
        if self.earlier is None:
            return F.cross_entropy(self.clip.logits(f, texts) + self._nearness(f, *own), targets)
        old = self.earlier
        z = F.normalize(old.mixtures.drawn().flatten(0, 1), dim=-1)  # [C_old m, D]
        f = torch.cat([f, z])
        near = [self._nearness(f, old.centres, old.held), self._nearness(f, *own)]
        logits = self.clip.logits(f, torch.cat([old.texts, texts])) + torch.cat(near, dim=-1)
        targets = torch.cat([len(old.texts) + targets, self.drawn_targets])
        losses = F.cross_entropy(logits, targets, reduction="none")
        shares = self.config.replay_weight * old.mixtures.weights.flatten()
        weights = torch.cat([torch.ones_like(losses[: len(batch.targets)]), shares])
        return (weights * losses).sum() / (len(batch.targets) + self.drawn_count)

    @torch.no_grad()
    def _image_features(self, batch: Batch) -> Tensor:
        """Unit features [B, D], without a gradient: nothing that trains lies before them.

        Those of images as they are were computed when the task began.
        """
        if self.cropped:
            return self.clip.encode_images(batch.images)
        return F.normalize(self.X[batch.indices], dim=-1)

    def _nearness(self, f: Tensor, centres: Tensor, held: Tensor) -> Tensor:
        with full_precision(f.device):
            return nearness(f, centres, held, self.config.alpha, self.config.beta)

    @torch.no_grad()
    def after_task(self, task: TrainingTask) -> None:
        """Keep text features, centres and Gaussians of the task's classes; its adapters are dropped."""
        assert self.W is not None
        texts = self.clip.encode_classes(task.labels)
        must_be_finite({"the text features of the task's classes": texts}, task.name)
        mixtures = Mixtures.fitted(self.X, self.y, len(texts), self.config.components)
        names = task.labels.classnames
        self.memories[names] = ClassMemory(texts, self.W.detach(), self.held, mixtures)
        for handle in self.attached:
            handle.remove()
        self.branches, self.attached, self.W, self.earlier = nn.ModuleList(), [], None, None

    def classifier(self, labels: LabelSpace) -> Classifier:
        """Text features of learned classes from memory, CLIP's own for all others.

        An image whose text logits point at a learned class is decided among learned classes, with their
        centres; any other by its text logits alone.
        """
        found = places(labels, list(self.memories))
        if not found:
            return super().classifier(labels)
        texts = self.clip.encode_classes(labels).clone()
        learned = torch.zeros(len(texts), dtype=torch.bool)
        parts = [(first, self.memories[names]) for names, first in found.items()]
        for first, memory in parts:
            here = slice(first, first + len(memory.texts))
            texts[here], learned[here] = memory.texts, True
        learned = learned.to(texts.device)

        def classify(images: Tensor) -> Tensor:
            f = self.clip.encode_images(images)
            logits = self.clip.logits(f, texts)  # [B, L]
            with_centres = torch.where(learned, logits, logits + NEVER)
            for first, memory in parts:
                near = self._nearness(f, memory.centres, memory.held)
                with_centres[:, first : first + near.shape[1]] += near
            points_at_learned = learned[logits.argmax(dim=-1)]  # [B]
            return torch.where(points_at_learned[:, None], with_centres, logits)

        return classify

    def state_dict(self) -> dict[str, Any]:
        """What is kept of learned classes; CLIP's weights stay.

        Within a task, also its features, centres and adapters.
        """
        memories = {
            str(i): {"classnames": list(names), **memory.tensors()}
            for i, (names, memory) in enumerate(self.memories.items())
        }
        if self.W is None:
            return {"memories": memories}
        within = {"X": self.X, "y": self.y, "held": self.held, "W": self.W.detach()}
        return {"memories": memories, "within": within, "branches": self.branches.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        device, memories = self.clip.device, state.get("memories", {})
        for of in (memories[str(i)] for i in range(len(memories))):  # a file has another order
            self.memories[tuple(of["classnames"])] = ClassMemory.of(of, device)
        if "within" not in state:
            return
        within = {name: tensor.to(device) for name, tensor in state["within"].items()}
        self.X, self.y, self.held = within["X"], within["y"], within["held"]
        self.W = nn.Parameter(within["W"])
        self.branches = self._fresh_branches()
        self.branches.load_state_dict(dict(state["branches"]))

    def diagnostics(self) -> dict[str, float]:
        """How many classes are learned, and how many of their centres there are."""
        held = [int(memory.held.sum()) for memory in self.memories.values()]
        return {"classes": sum(map(len, self.memories)), "centres": sum(held)}
