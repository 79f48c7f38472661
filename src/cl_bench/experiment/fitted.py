"""How many values a run's settings hold for single tasks. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cl_bench.datasets.suite import Suite
from cl_bench.experiment.merge import Merged


def fitted_per_task(said: Merged, suite: Suite, order: str, tasks: Sequence[str]) -> dict[str, int]:
    """Setting -> number of the run's tasks for which it was given a value of their own.

    A value that equals the one of all other tasks counts, too: somebody chose it for this task.

    Args:
        said: every setting.
        suite: whose tasks they are.
        order: its name; epochs are given per order.
        tasks: names of the tasks that are learned.
    """
    epochs = {} if said.budget.steps else said.budget.epochs_per_task.get(order, {})
    tables: dict[str, Any] = {
        "lr": said.recipe.lr_per_task,
        "epochs": epochs,
        **said.method.model_dump(mode="json"),
    }
    counts = {
        name: len(suite.by_task(dict(table)).keys() & set(tasks))
        for name, table in tables.items()
        if isinstance(table, Mapping)
    }
    return {name: count for name, count in counts.items() if count}
