"""Where a subspace ends whose directions are counted by their energy. No torch."""

from typing import Literal

RankRule = Literal[
    "below", "reach"
]  # the last direction below the threshold, or the one that reaches it
