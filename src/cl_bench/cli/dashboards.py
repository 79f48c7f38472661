"""Which dashboards a run feeds: the options of ``run`` and ``resume``, and ``sync``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from cl_bench.benchmark.errors import UserError, in_one_line, unknown

if TYPE_CHECKING:
    from cl_bench.reports.sinks.sink import Sink
    from cl_bench.reports.sinks.wandb_sink import Place

MODES = ("online", "offline", "disabled")
TARGETS = ("wandb", "tensorboard")


@dataclass(frozen=True)
class Dashboards:
    """Where a run is shown while it lasts; no part of what the run is.

    Attributes:
        wandb: the place on W&B, if any.
        tensorboard: a folder of event files, if any.
    """

    wandb: Place | None = None
    tensorboard: Path | None = None

    def sinks(self) -> list[Sink]:
        """Fresh sinks for one run.

        Raises:
            UserError: TensorBoard is asked for and not installed.
        """
        sinks: list[Sink] = []
        if self.wandb is not None:
            from cl_bench.reports.sinks.wandb_sink import WandbSink

            sinks.append(WandbSink(self.wandb))
        if self.tensorboard is not None:
            from cl_bench.reports.sinks.tensorboard_sink import TensorBoardSink

            sinks.append(TensorBoardSink(self.tensorboard))
        return sinks


def chosen(
    mode: str | None, project: str, entity: str | None, tags: str | None, tensorboard: Path | None
) -> Dashboards:
    """What the options ask for; without ``--wandb``, ``WANDB_MODE`` decides.

    Raises:
        UserError: the mode is unknown.
    """
    mode = mode or os.environ.get("WANDB_MODE") or "disabled"
    if mode not in MODES:
        raise unknown("mode of W&B", mode, MODES)
    if mode == "disabled":
        return Dashboards(None, tensorboard)
    return Dashboards(_place(mode, project, entity, tags), tensorboard)


def _place(mode: str, project: str, entity: str | None, tags: str | None, **more: Any) -> Place:
    from cl_bench.reports.sinks.wandb_sink import Mode, Place

    assert mode in get_args(Mode)
    words = tuple(tag.strip() for tag in (tags or "").split(",") if tag.strip())
    return Place(mode, project, entity, words, **more)  # type: ignore[arg-type]


def sync_command(
    runs: Sequence[Path], target: str, mode: str, project: str, entity: str | None,
    tags: str | None, tensorboard: Path, checkpoints: bool, report: Path | None,
) -> None:  # fmt: skip
    """Send runs from their logs, finished or not; those that are there already stay one run."""
    from cl_bench.benchmark.record import must_be_whole
    from cl_bench.cli.console import console
    from cl_bench.reports.runs.find import find_runs
    from cl_bench.reports.sinks.sink import replay

    if target not in TARGETS:
        raise unknown("target", target, TARGETS)
    if mode not in MODES[:2]:
        raise unknown("mode of W&B", mode, MODES[:2])
    found = find_runs(runs)
    if not found:
        raise UserError(f"no runs under {', '.join(map(str, runs))}")
    place = _place(mode, project, entity, tags, checkpoints=checkpoints, report=report)
    boards = Dashboards(place) if target == "wandb" else Dashboards(None, tensorboard)
    for path in found:
        must_be_whole(path)
        (sink,) = boards.sinks()
        try:
            replay(path, sink)
        except UserError:
            raise
        except Exception as error:  # whatever a client of the network raises
            raise UserError(f"{sink} did not take {path}: {in_one_line(error)}") from error
        console.print(f"sent {path} to {sink}", soft_wrap=True)
