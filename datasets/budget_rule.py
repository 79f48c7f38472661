"""How long tasks are trained, before it is known which: a suite's rule, changed by a method or by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from cl_bench.benchmark.config import Budget, Settings
from cl_bench.benchmark.truth_values import numbers_are_numbers

Count = Annotated[int, Field(ge=1)]


class BudgetRule(Settings):
    """Training in optimizer steps, else in epochs. No torch."""

    _truth = numbers_are_numbers

    batch_size: Count = 64
    """Training images per step."""
    epochs: Count = 10
    """Passes over the training images of a task; a last, partial batch is a step, too."""
    epochs_per_task: dict[str, dict[str, Count]] = Field(default_factory=dict)
    """Per order, the tasks that are trained for another number of epochs."""
    steps: Count | None = None
    """Optimizer steps of every task, in the place of epochs."""
    few_shot_steps: Count = 500
    """In the place of ``steps`` and ``epochs`` where few images of a class are trained on."""

    def changed(self, changes: Mapping[str, Any]) -> BudgetRule:
        """The rule with other values; a number of epochs takes the place of all that it had.

        Raises:
            ValidationError: a value is impossible.
        """
        instead: dict[str, Any] = (
            {"steps": None, "epochs_per_task": {}} if "epochs" in changes else {}
        )
        return BudgetRule.model_validate({**self.model_dump(), **instead, **changes})

    def budget(self, sizes: Mapping[str, int], epochs: Mapping[str, int]) -> Budget:
        """Batch size and optimizer steps.

        Args:
            sizes: training images of every task of the stream.
            epochs: tasks with a number of their own.
        """
        steps = {
            name: self.steps or epochs.get(name, self.epochs) * -(-size // self.batch_size)
            for name, size in sizes.items()
        }
        return Budget(batch_size=self.batch_size, steps=steps)
