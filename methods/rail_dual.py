"""RAIL, dual: ridge regression with a Gaussian kernel on the features of all images so far.

Xu et al. 2024, NeurIPS, arXiv 2406.18868.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.errors import NotFiniteError
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.task import LabelSpace, TrainingTask
from cl_bench.methods.configs.rail_dual import RAILDualConfig
from cl_bench.methods.finite import must_be_finite
from cl_bench.methods.image_features import image_features
from cl_bench.methods.learned_classes import Names, first_column
from cl_bench.methods.zero_shot_fusion import beside_zero_shot, spread


class RAILDual(Method):
    """Scores k(x, X)α with α = (K + λI)⁻¹Y, where X are the features of the images of all tasks.

    α is computed anew after every task, so every training image's feature is kept. Its entries are large
    and cancel in the scores, so both are in float64.
    """

    Config = RAILDualConfig

    def __init__(self, clip: Clip, config: RAILDualConfig, assets: Assets) -> None:
        """Nothing is known yet."""
        super().__init__(clip, config, assets)
        self.config = config
        D, device = clip.model.visual.output_dim, clip.device
        self.X = torch.zeros(0, D, device=device)  # features of all images so far, [N, D]
        self.y = torch.zeros(0, dtype=torch.int64, device=device)  # their columns of α, [N]
        self.alpha = torch.zeros(0, 0, dtype=torch.float64, device=device)  # [N, C]
        self.tasks: list[Names] = []  # class names of learned tasks, in the order of α's columns

    @torch.no_grad()
    def after_task(self, task: TrainingTask) -> None:
        """Keep the task's features and solve again."""
        x, target = image_features(self.clip, task)
        names = task.labels.classnames
        if names not in self.tasks:
            self.tasks.append(names)
        columns = first_column(self.tasks, names) + target
        self.X, self.y = torch.cat([self.X, x]), torch.cat([self.y, columns])
        self.alpha = self._solution(task.name)
        must_be_finite({"the regression's α": self.alpha}, task.name)

    def _solution(self, task: str) -> Tensor:
        """α = (K + λI)⁻¹Y, [N, C]."""
        K = gaussian_kernel(self.X, self.X, self.config.gamma)  # [N, N]
        K.diagonal().add_(self.config.ridge)
        Y = K.new_zeros(len(K), sum(map(len, self.tasks))).scatter_(1, self.y[:, None], 1)
        L, failed = torch.linalg.cholesky_ex(K)
        if failed.item():  # L would be numbers without a meaning
            raise NotFiniteError(
                f"the kernel matrix is not positive definite on task {task!r}: set a larger ridge than "
                f"{self.config.ridge:g}"
            )
        return torch.cholesky_solve(Y, L)

    def classifier(self, labels: LabelSpace) -> Classifier:
        """Zero-shot, with the regression's scores for images that it takes for a learned class."""
        found = spread(self.alpha, self.tasks, labels)
        if found is None:
            return super().classifier(labels)
        alpha, learned = found

        def scores(x: Tensor) -> Tensor:
            return gaussian_kernel(x, self.X, self.config.gamma) @ alpha

        return beside_zero_shot(self.clip, labels, scores, learned, self.config.fusion_weight)

    def state_dict(self) -> dict[str, Any]:
        """The features and classes of all images so far, and α."""
        tasks = [list(names) for names in self.tasks]
        return {"X": self.X, "y": self.y, "alpha": self.alpha, "tasks": tasks}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        device = self.clip.device
        self.X, self.y = state["X"].to(device), state["y"].to(device)
        self.alpha = state["alpha"].to(device)
        self.tasks = [tuple(names) for names in state["tasks"]]

    def diagnostics(self) -> dict[str, float]:
        """How many classes have a column, and how many images' features are kept."""
        return {"columns": sum(map(len, self.tasks)), "features": len(self.X)}


def gaussian_kernel(A: Tensor, B: Tensor, gamma: float) -> Tensor:
    """exp(-γ|a - b|²) of rows [N, D] and [M, D], float64 [N, M], with no second matrix of that size."""
    A, B = A.double(), B.double()
    exponent = (A @ B.T).mul_(2 * gamma)
    exponent.sub_(gamma * A.square().sum(dim=-1)[:, None])
    exponent.sub_(gamma * B.square().sum(dim=-1)[None])
    return exponent.exp_()
