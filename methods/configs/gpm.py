"""GPM's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.method_config import MethodConfig

Share = Annotated[float, Field(ge=0, le=1)]


class GPMConfig(MethodConfig):
    """GPM's hyper-parameters (published for ten tasks of CIFAR-100)."""

    first_share: Share = 0.97
    """ε of the first task: share of its features' energy to protect."""
    share_growth: Share = 0.003
    """What every later task adds to ε, which stays at most 1."""

    def check_recipe(self, recipe: Recipe) -> None:
        """A step must be a sum of projected gradients."""
        if recipe.optimizer != "sgd":
            raise UserError(
                f"gpm with optimizer = {recipe.optimizer} would leave the directions that it projects "
                "on, since that scales every number by itself: write --set optimizer=sgd"
            )
        if recipe.weight_decay > 0:
            raise UserError(
                f"gpm with weight_decay = {recipe.weight_decay} would change weights in protected "
                "directions: write --set weight_decay=0"
            )
