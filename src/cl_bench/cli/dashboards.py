"""Which dashboards a run feeds: the options of ``run`` and ``resume``, and ``sync``."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.errors import UserError, in_one_line, unknown
from cl_bench.experiment.choices import Folder, Written, validated

if TYPE_CHECKING:
    from cl_bench.reports.sinks.sink import Sink
    from cl_bench.reports.sinks.wandb_sink import Place

MODES = ("online", "offline", "disabled")
TARGETS = ("wandb", "tensorboard")


class BoardOptions(Settings):
    """Where a run is shown while it lasts, as it was asked for."""

    wandb: Annotated[str | None, Written("MODE")] = None
    """online, offline or disabled. (default: WANDB_MODE, else disabled)"""
    wandb_project: str = "cl-bench"
    """W&B project. (default: cl-bench)"""
    wandb_entity: str | None = None
    """W&B user or team. (default: W&B's)"""
    wandb_tags: Annotated[str | None, Written("T,T")] = None
    """Further tags, with commas."""
    tensorboard: Folder = None
    """Write event files, too."""


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


def chosen(given: Mapping[str, Any]) -> Dashboards:
    """What the options ask for; without ``--wandb``, ``WANDB_MODE`` decides.

    Args:
        given: values of :class:`BoardOptions`.

    Raises:
        UserError: a value is impossible.
    """
    said = validated(lambda: BoardOptions.model_validate(dict(given)))
    mode = said.wandb or os.environ.get("WANDB_MODE") or "disabled"
    if mode not in MODES:
        raise unknown("mode of W&B", mode, MODES)
    return Dashboards(None if mode == "disabled" else _place(mode, said), said.tensorboard)


def _place(mode: str, said: BoardOptions, **more: Any) -> Place:
    from cl_bench.reports.sinks.wandb_sink import Mode, Place

    assert mode in get_args(Mode)
    words = tuple(tag.strip() for tag in (said.wandb_tags or "").split(",") if tag.strip())
    return Place(mode, said.wandb_project, said.wandb_entity, words, **more)  # type: ignore[arg-type]


def sync_command(
    runs: Sequence[Path], target: str, said: BoardOptions, checkpoints: bool, report: Path | None
) -> None:
    """Send runs from their logs, finished or not; those that are there already stay one run."""
    from cl_bench.benchmark.record import must_be_whole
    from cl_bench.cli.console import console
    from cl_bench.reports.runs.find import find_runs
    from cl_bench.reports.sinks.sink import replay

    boards = _targets(target, said, checkpoints, report)
    found = find_runs(runs)
    if not found:
        raise UserError(f"no runs under {', '.join(map(str, runs))}")
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


def _targets(target: str, said: BoardOptions, checkpoints: bool, report: Path | None) -> Dashboards:
    """The one dashboard that runs are sent to."""
    if target not in TARGETS:
        raise unknown("target", target, TARGETS)
    if target == "tensorboard":
        return Dashboards(None, said.tensorboard or Path("tensorboard"))
    mode = said.wandb or "online"
    if mode not in MODES[:2]:
        raise unknown("mode of W&B", mode, MODES[:2])
    return Dashboards(_place(mode, said, checkpoints=checkpoints, report=report))
