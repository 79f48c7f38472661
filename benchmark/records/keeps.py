"""What a run keeps beside its results, as it was asked for: no part of what the run is. No torch."""

from __future__ import annotations

from dataclasses import dataclass

from cl_bench.benchmark.records.checkpoints import Keep


@dataclass(frozen=True)
class Keeps:
    """What stays of a run; ``None``: nothing was said, so as it began.

    Attributes:
        checkpoints: which ones; a run begins with the last one.
        scores: how many of the best classes of every test image; a run begins with none.
    """

    checkpoints: Keep | None = None
    scores: int | None = None
