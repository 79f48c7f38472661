"""How many images of a task a run trains on. No torch."""

from __future__ import annotations

from cl_bench.benchmark.config import RunConfig
from cl_bench.datasets.task_spec import TaskSpec


def train_size(task: TaskSpec, config: RunConfig) -> int:
    """How many images of a task are trained on."""
    if task.name in config.training_images:
        return config.training_images[task.name]
    shots = config.protocol.shots
    return min(task.train_size, shots * len(task.classnames)) if shots else task.train_size
