"""RAIL, primal: ridge regression on random features of a frozen CLIP, task after task in closed form.

Xu et al. 2024, "Advancing Cross-domain Discriminability in Continual Learning of Vision-Language
Models", NeurIPS, arXiv 2406.18868.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.errors import NotFiniteError
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.precision import full_precision
from cl_bench.benchmark.task import LabelSpace, TrainingTask
from cl_bench.methods.configs.rail import RAILConfig
from cl_bench.methods.finite import must_be_finite
from cl_bench.methods.image_features import image_features
from cl_bench.methods.learned_classes import Names, first_column
from cl_bench.methods.recursive_ridge import RecursiveRidge
from cl_bench.methods.zero_shot_fusion import beside_zero_shot, spread


class RAIL(Method):
    """Scores φ(x)W with φ(x) = ReLU(W_r x) and W = (ΦᵀΦ + λI)⁻¹ΦᵀY over the images of all tasks.

    Nothing trains by a gradient: after a task's one pass over its images, W is what a regression on all
    tasks at once would have found. Images of domains that are not learned are classified zero-shot.
    """

    Config = RAILConfig

    def __init__(self, clip: Clip, config: RAILConfig, assets: Assets) -> None:
        """Draw W_r [M, D] as torch draws a linear layer; it stays as it is."""
        super().__init__(clip, config, assets)
        self.config = config
        linear = nn.Linear(clip.model.visual.output_dim, config.hidden, bias=False)
        self.W_r = linear.weight.detach().to(clip.device)
        self.ridge: RecursiveRidge | None = None
        self.tasks: list[Names] = []  # class names of learned tasks, in the order of W's columns

    def _phi(self, x: Tensor) -> Tensor:
        """ReLU(W_r x) of unit features, [B, D] -> [B, M]."""
        return (x @ self.W_r.T).relu()

    @torch.no_grad()
    def after_task(self, task: TrainingTask) -> None:
        """Take in the task's images, batch by batch."""
        X, y = image_features(self.clip, task)
        ridge = self._ridge_for(task.labels.classnames)
        first = first_column(self.tasks, task.labels.classnames)
        dtype, C = ridge.W.dtype, ridge.W.shape[1]
        with full_precision(self.clip.device):
            for x, target in zip(X.split(task.batch_size), y.split(task.batch_size), strict=True):
                Y = F.one_hot(first + target, C).to(dtype)
                self._add_rows(ridge, self._phi(x).to(dtype), Y, task.name)
        must_be_finite({"the regression's W": ridge.W}, task.name)

    def _ridge_for(self, classnames: Names) -> RecursiveRidge:
        """The regression with columns for these classes; a list of names that was learned keeps its own."""
        if self.ridge is None:
            dtype = getattr(torch, self.config.recursion)
            self.ridge = RecursiveRidge.of_no_rows(
                self.config.hidden, self.config.ridge, dtype, self.clip.device
            )
        if classnames not in self.tasks:
            self.tasks.append(classnames)
            self.ridge.add_columns(len(classnames))
        return self.ridge

    def _add_rows(self, ridge: RecursiveRidge, Phi: Tensor, Y: Tensor, task: str) -> None:
        try:
            ridge.add_rows(Phi, Y)
        except ArithmeticError as error:
            raise NotFiniteError(
                f"rounding has outgrown the regression's R on task {task!r} in "
                f"{self.config.recursion}: set recursion=float64 or a larger ridge"
            ) from error

    def classifier(self, labels: LabelSpace) -> Classifier:
        """Zero-shot, with the regression's scores for images that it takes for a learned class."""
        found = spread(self.ridge.W.float(), self.tasks, labels) if self.ridge else None
        if found is None:
            return super().classifier(labels)
        W, learned = found
        weight = self.config.fusion_weight
        return beside_zero_shot(self.clip, labels, lambda x: self._phi(x) @ W, learned, weight)

    def state_dict(self) -> dict[str, Any]:
        """W_r and, once a task is learned, R, W and the classes of its columns."""
        state: dict[str, Any] = {"W_r": self.W_r, "tasks": [list(names) for names in self.tasks]}
        return state | ({"R": self.ridge.R, "W": self.ridge.W} if self.ridge else {})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        device = self.clip.device
        self.W_r = state["W_r"].to(device)
        self.tasks = [tuple(names) for names in state["tasks"]]
        if "R" in state:
            self.ridge = RecursiveRidge(state["R"].to(device), state["W"].to(device))

    def diagnostics(self) -> dict[str, float]:
        """How many classes have a column."""
        return {"columns": sum(map(len, self.tasks))}
