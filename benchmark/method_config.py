"""What can be set of a method, and what it uses besides the current task's training images. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, model_validator

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.large_matrices import LargeMatrices, RunSizes
from cl_bench.benchmark.truth_values import numbers_are_numbers

MOST = 2**31 - 1  # of ranks, experts, steps: beyond it, sizes of tensors overflow
Need = Literal[
    "reference images",
    "reference texts",
    "image-text pairs",
    "reference images with classes",
    "selector",
    "earlier images",
    "all tasks",
]


class MethodConfig(BaseModel):
    """A method's hyper-parameters; subclass it to add some. Values are validated, names checked."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    _truth = numbers_are_numbers

    @model_validator(mode="before")
    @classmethod
    def _not_too_large(cls, given: Any) -> Any:
        for name, value in given.items() if isinstance(given, dict) else ():
            if isinstance(value, int) and value > MOST:
                raise ValueError(f"{name}: {str(value)[:20]}... is more than {MOST:,}")
        return given

    repeats: ClassVar[tuple[str, ...]] = ()
    """Settings that say how often something is done over before or after training, with a cost in
    proportion: an estimate of a run's time does it a few times."""

    def needs(self) -> tuple[Need, ...]:
        """What the method uses besides the current task's training images."""
        return ()

    def knows_tasks_by_names(self) -> bool:
        """Whether what it keeps of a task is found by the task's class names: two tasks must not share them."""
        return False

    def check_recipe(self, recipe: Recipe) -> None:
        """Refuse an optimizer or a weight decay that would make the method another one.

        Raises:
            UserError: says what to set instead.
        """

    def told(self) -> bool:
        """Whether a method with ``told_task`` is told whose classes it chooses between, as configured."""
        return True

    def caveats(self) -> tuple[str, ...]:
        """What a reader of the results must be told, one line each."""
        return ()

    def large_matrices(self, sizes: RunSizes) -> LargeMatrices | None:
        """Matrices that are as large as the run is; ``None``: a rehearsal of a few images shows all.

        Before anything is learned, a run whose memory is too small for them is refused.
        """
        return None

    def remarks(self, images: Mapping[str, Sequence[int]], features: int) -> tuple[str, ...]:
        """What a reader of the results must be told of this run's data, one line each.

        It is said before anything is learned, and recorded with the run.

        Args:
            images: by task, how many training images each of its classes has.
            features: numbers of an image's feature.
        """
        return ()
