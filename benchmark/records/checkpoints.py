"""Which checkpoints a run's directory holds: of every task, of the last one, or none at the end. No torch."""

from __future__ import annotations

from typing import Literal

Keep = Literal["all", "last", "none"]
USUAL: Keep = "last"


def kept_after(keep: Keep, learned: int, *, finished: bool) -> range:
    """After how many tasks there is a checkpoint, where ``learned`` tasks have their row.

    With ``none``, a run that goes on has its last one, or it could not be continued.
    """
    if finished and keep == "none":
        return range(0)
    return range(1 if keep == "all" else max(learned, 1), learned + 1)


def file_name(learned: int) -> str:
    """What the checkpoint after ``learned`` tasks is called in the run's folder of checkpoints."""
    return f"after-{learned:02d}.safetensors"
