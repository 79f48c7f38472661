"""Experience replay: fine-tuning, with images of learned tasks from a memory of a fixed size.

Chaudhry et al. 2019, "On Tiny Episodic Memories in Continual Learning", arXiv 1902.10486. Adapted to CLIP:
each batch against the class prompts of its own task.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.endless import Endless
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.plain_weights import PlainWeights, merged_weights
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.configs.er import ERConfig


class ER(Method):
    """L = ½·(CE of the task's batch + CE of a batch of one learned task).

    Which task is drawn anew for every step, in proportion to its images in the memory, so that each
    image of the memory comes equally often.
    """

    Config = ERConfig
    plain_weights: ClassVar[PlainWeights | None] = merged_weights
    row_by_row: ClassVar[bool] = True

    def __init__(self, clip: Clip, config: ERConfig, assets: Assets) -> None:
        """Nothing is kept yet."""
        super().__init__(clip, config, assets)
        self.config = config
        self.places: Mapping[str, Any] = {}  # within a task: learned task -> where its batches are
        self.again: dict[str, Endless[Batch]] = {}  # within a task: learned task -> its batches
        self.sizes: list[int] = []  # of them, in images

    def before_task(self, task: TrainingTask) -> None:
        """Begin to draw from the memory."""
        self._images_of_a_class(task)  # raises where the memory is too small
        self.places = {}
        self.continue_task(task)

    def continue_task(self, task: TrainingTask) -> None:
        """Draw from the memory where it was left off, and let the weights train."""
        self.again = {old.name: old.endless() for old in task.earlier}
        self.sizes = [len(old) for old in task.earlier]
        for name, batches in self.again.items():
            batches.load_state_dict(self.places.get(name, {}))
        for weight in self.clip.weights().values():
            weight.requires_grad_(True)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """Both towers; the logit scale stays."""
        return self.clip.weights().values()

    def loss(self, batch: Batch) -> Tensor:
        """The mean over the task's batch and, from the second task on, one from the memory."""
        batches = [batch]
        if self.again:
            (name,) = random.choices(list(self.again), self.sizes)
            batches.append(next(self.again[name]))
        smoothing = self.config.label_smoothing
        return torch.stack([self.clip.cross_entropy(b, smoothing) for b in batches]).mean()

    def after_task(self, task: TrainingTask) -> None:
        """Freeze, and keep equally many images of every class, of this task and of earlier ones."""
        for weight in self.clip.weights().values():
            weight.requires_grad_(False).grad = None
        each = self._images_of_a_class(task)
        for of in (*task.earlier, task):
            of.keep(of_every_class(of.targets, each))
        self.again, self.sizes = {}, []

    def _images_of_a_class(self, task: TrainingTask) -> int:
        """How many images of a class the memory holds after ``task``.

        Raises:
            UserError: it holds none.
        """
        classes = sum(len(of.labels.classnames) for of in (*task.earlier, task))
        if classes > self.config.buffer:
            raise UserError(
                f"er: buffer = {self.config.buffer} has no place for an image of each of the {classes} "
                f"classes seen after {task.name}: write --set buffer={classes} or more"
            )
        return self.config.buffer // classes

    def state_dict(self) -> dict[str, Any]:
        """The changed weights and, within a task, the places in the memory; the run keeps its images."""
        places = {name: batches.state_dict() for name, batches in self.again.items()}
        return super().state_dict() | {"places": places}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        super().load_state_dict(state)
        self.places = state.get("places", {})


def of_every_class(targets: Tensor, each: int) -> Tensor:
    """At most ``each`` images of every class, at random: indices, int64 [k].

    Args:
        targets: int64 [N], on the CPU.
        each: all of a class where it has fewer.
    """
    order = torch.randperm(len(targets))
    return torch.cat([order[targets[order] == c][:each] for c in targets.unique()])
