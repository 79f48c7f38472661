"""What a plan's method makes of all training images together."""

from __future__ import annotations

from cl_bench.benchmark.large_matrices import LargeMatrices, RunSizes
from cl_bench.experiment.resolve import Plan
from cl_bench.experiment.train_size import train_size


def large_matrices(
    plan: Plan, features: int, most: int | None = None, tasks: int | None = None
) -> LargeMatrices | None:
    """The matrices of a run of the plan.

    Args:
        plan: of the run.
        features: numbers of an image's feature.
        most: training images of a task, where it is a play with few.
        tasks: learned so far; by default all.
    """
    config, learned = plan.config, plan.tasks[:tasks]
    images = tuple(train_size(task, config) for task in learned)
    sizes = RunSizes(
        images=images if most is None else tuple(min(most, count) for count in images),
        classes=tuple(len(task.classnames) for task in learned),
        features=features,
    )
    method = plan.entry.Config.model_validate(config.method_settings)
    return method.large_matrices(sizes)
