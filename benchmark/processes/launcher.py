"""What torchrun, or another launcher with its variables, says of the processes that it started."""

from __future__ import annotations

import os

OF_LAUNCHER = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")


def launched() -> tuple[int, int]:
    """Number of this process and how many there are: (0, 1) without a launcher."""
    if not all(name in os.environ for name in OF_LAUNCHER):
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def launched_here() -> int:
    """How many of them are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", launched()[1]))
