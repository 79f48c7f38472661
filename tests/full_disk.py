"""Dashboards on a full disk: their process may write no file beyond a few kilobytes."""

from __future__ import annotations

import resource
import signal
from pathlib import Path

from cl_bench.reports.sinks.tensorboard_sink import TensorBoardSink
from cl_bench.reports.sinks.wandb_sink import WandbSink


def fill(room: int) -> None:
    """Let this process, and what it starts, write ``room`` bytes a file and no more."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # an error as from a full disk, not a kill
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))


class FullWandb(WandbSink):
    """Has room for W&B's beginning."""

    def begin(self, path: Path) -> None:
        """Begin on a full disk."""
        fill(4096)
        super().begin(path)


class FullTensorBoard(TensorBoardSink):
    """Has no room for an event."""

    def begin(self, path: Path) -> None:
        """Begin on a full disk."""
        fill(100)
        super().begin(path)
