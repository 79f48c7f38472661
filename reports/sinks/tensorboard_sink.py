"""TensorBoard event files, written afresh from the run's log whenever it is followed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from cl_bench.benchmark.errors import missing_extra
from cl_bench.benchmark.record import RunResult, read_config
from cl_bench.reports.sinks.points import Point


class TensorBoardSink:
    """One run as a folder of event files below ``root``."""

    def __init__(self, root: Path) -> None:
        """Open nothing yet.

        Raises:
            UserError: the extra ``tensorboard`` is not installed.
        """
        try:
            import tensorboardX  # noqa: F401
        except ImportError as error:
            raise missing_extra("TensorBoard", "tensorboard") from error
        self._root = root
        self._writer: Any = None

    def __str__(self) -> str:
        """For messages."""
        return f"TensorBoard in {self._root}"

    def begin(self, path: Path) -> None:
        """Replace what an earlier process wrote; so no point is there."""
        from tensorboardX import SummaryWriter

        c = read_config(path)
        folder = self._root / f"{c.suite.name}-{c.order}" / c.method / path.name
        shutil.rmtree(folder, ignore_errors=True)
        self._writer = SummaryWriter(str(folder))

    def write(self, number: int, point: Point) -> None:
        """Add every number of the point at its place of its axis."""
        for name, value in point.values.items():
            self._writer.add_scalar(name, value, point.at)

    def end(self, result: RunResult | None) -> None:
        """Write what is left."""
        self._writer.close()
