"""TensorBoard event files, written afresh from the run's log whenever it is followed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import missing_extra
from cl_bench.benchmark.record import RunResult, read_config
from cl_bench.benchmark.records.manifest import Manifest, read_manifest
from cl_bench.reports.runs.flat_config import flat_config
from cl_bench.reports.runs.metrics import judged_metrics
from cl_bench.reports.sinks.picture import picture_of
from cl_bench.reports.sinks.plan import plan_in_markdown
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
        """Replace what an earlier process wrote, so no point is there; say what the run is."""
        from tensorboardX import SummaryWriter

        c = read_config(path)
        folder = self._root / f"{c.suite.name}-{c.order}" / c.method / path.name
        shutil.rmtree(folder, ignore_errors=True)
        # 0: no limit. At a limit it would wait for ever for a writing thread that a full disk ended
        self._writer = SummaryWriter(str(folder), max_queue=0)
        self._writer.add_text("plan", plan_in_markdown(c))
        experiment, begun, self._ended = _hparams(c, read_manifest(path))
        self._writer.file_writer.add_summary(experiment)
        self._writer.file_writer.add_summary(begun)

    def write(self, number: int, point: Point) -> None:
        """Add every number of the point at its place of its axis."""
        if point.alert:
            self._writer.add_text("alert", point.alert, point.at)
        for name, value in point.values.items():
            self._writer.add_scalar(name, value, point.at)
        for name, value in point.of_task.items():
            self._writer.add_scalar(f"train/{point.curve}/{name}", value, point.step)

    def end(self, result: RunResult | None) -> None:
        """Add metrics and matrix of a finished run, and write what is left."""
        if result is not None:
            metrics, learned = result.metrics(), len(result.matrix.rows)
            for name in (name for name in judged_metrics(result.config) if name in metrics):
                self._writer.add_scalar(f"{FINAL}/{name}", metrics[name], learned)
            self._writer.add_image(
                "matrix", _pixels(picture_of(result)), learned, dataformats="HWC"
            )
            self._writer.file_writer.add_summary(self._ended)
        self._writer.close()


FINAL = "final"  # names of the metrics of finished runs; ``metrics/`` has those so far, of all runs


def _hparams(config: RunConfig, manifest: Manifest) -> tuple[Any, Any, Any]:
    """What the HParams page shows: the experiment's columns, the run's values, and that it ended well."""
    from tensorboardX.summary import hparams

    flat = flat_config(config, manifest)
    shown = {key: "none" if value is None else value for key, value in flat.items()}
    summaries: tuple[Any, Any, Any] = hparams(
        shown, dict.fromkeys(f"{FINAL}/{name}" for name in judged_metrics(config))
    )
    return summaries


def _pixels(picture: Path) -> Any:
    """A picture as uint8 [H, W, 3]."""
    import numpy as np
    from PIL import Image

    with Image.open(picture) as opened:
        return np.asarray(opened.convert("RGB"))
