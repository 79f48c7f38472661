"""Which dashboards a run feeds: the options of ``run`` and ``resume``, and ``sync``."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from cl_bench.benchmark.config import RunConfig, Settings
from cl_bench.benchmark.errors import UserError, in_one_line, unknown
from cl_bench.experiment.choices import Folder, Written, validated
from cl_bench.experiment.class_names import class_names, suite_of_run

if TYPE_CHECKING:
    from cl_bench.reports.sinks.sink import Sink
    from cl_bench.reports.sinks.wandb_sink import About, Place

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
    wandb_group: str | None = None
    """W&B group. (default: one for runs that may be compared)"""
    wandb_name: str | None = None
    """Name of the run on W&B. (default: method, order, seed and the settings that are not as usual)"""
    wandb_notes: str | None = None
    """A text about the run, shown on W&B."""
    wandb_no_system: bool = False
    """Send W&B nothing of this machine: no system metrics, no git state, no packages."""
    wandb_predictions: bool = False
    """Send W&B what was predicted for every test image after the last task."""
    tensorboard: Folder = None
    """Write event files, too."""


@dataclass(frozen=True)
class Dashboards:
    """Where a run is shown while it lasts; no part of what the run is.

    Attributes:
        wandb: the place on W&B, if any.
        tensorboard: a folder of event files, if any.
        predictions: whether W&B gets every prediction.
    """

    wandb: Place | None = None
    tensorboard: Path | None = None
    predictions: bool = False

    def sinks(self, config: RunConfig, run: Path) -> list[Sink]:
        """Fresh sinks for a run.

        Args:
            config: of the run.
            run: its directory, which may not exist yet.

        Raises:
            UserError: TensorBoard is asked for and not installed, or predictions are, and the names
                of the classes are not known.
        """
        sinks: list[Sink] = []
        if self.wandb is not None:
            from cl_bench.reports.sinks.wandb_sink import WandbSink

            sinks.append(WandbSink(self.wandb, _about(config, run, self.predictions)))
        if self.tensorboard is not None:
            from cl_bench.reports.sinks.tensorboard_sink import TensorBoardSink

            sinks.append(TensorBoardSink(self.tensorboard))
        return sinks


def _about(config: RunConfig, run: Path, predictions: bool) -> About:
    """What a run's suite says of it; without predictions it may be gone."""
    from cl_bench.cli.differing import differing
    from cl_bench.reports.sinks.wandb_sink import About

    try:
        suite = suite_of_run(config, run)
    except UserError:
        if predictions:
            raise
        return About(differing(config, None))
    return About(differing(config, suite), class_names(config, suite) if predictions else None)


def chosen(given: Mapping[str, Any], runs: int = 1) -> Dashboards:
    """What the options ask for; without ``--wandb``, ``WANDB_MODE`` decides.

    Args:
        given: values of :class:`BoardOptions`.
        runs: how many runs they are for.

    Raises:
        UserError: a value is impossible.
    """
    said = validated(lambda: BoardOptions.model_validate(dict(given)))
    mode = said.wandb or os.environ.get("WANDB_MODE") or "disabled"
    if mode not in MODES:
        raise unknown("mode of W&B", mode, MODES)
    _must_name_one(said, runs)
    place = None if mode == "disabled" else _place(mode, said, machine=not said.wandb_no_system)
    return Dashboards(place, said.tensorboard, said.wandb_predictions)


def _must_name_one(said: BoardOptions, runs: int) -> None:
    """Raise where one name would be given to several runs: nothing would tell them apart."""
    if said.wandb_name is not None and runs > 1:
        raise UserError(
            f"--wandb-name {said.wandb_name!r} would be the name of {runs} runs; leave it out (a name "
            "holds method, order, seed and settings), or say --wandb-group"
        )


def _place(mode: str, said: BoardOptions, **more: Any) -> Place:
    from cl_bench.reports.sinks.wandb_sink import Mode, Place

    assert mode in get_args(Mode)
    return Place(
        mode,  # type: ignore[arg-type]
        said.wandb_project,
        said.wandb_entity,
        tuple(tag.strip() for tag in (said.wandb_tags or "").split(",") if tag.strip()),
        said.wandb_group,
        said.wandb_name,
        said.wandb_notes,
        **more,
    )


def sync_command(
    runs: Sequence[Path],
    target: str,
    said: BoardOptions,
    checkpoints: bool,
    report: Path | None,
    workspace: bool,
) -> None:
    """Send runs from their logs, finished or not; those that are there already stay one run."""
    from cl_bench.benchmark.record import must_be_whole, read_config
    from cl_bench.cli.console import console
    from cl_bench.reports.runs.find import find_runs
    from cl_bench.reports.sinks.sink import replay

    boards = _targets(target, said, checkpoints, report)
    if workspace:
        _must_have_views(boards)
    found = find_runs(runs)
    if not found:
        raise UserError(f"no runs under {', '.join(map(str, runs))}")
    _must_name_one(said, len(found))
    for path in found:
        must_be_whole(path)
        (sink,) = boards.sinks(read_config(path), path)
        with _named(f"{sink} did not take {path}"):
            replay(path, sink)
        console.print(f"sent {path} to {sink}", soft_wrap=True)
    if workspace and boards.wandb is not None:
        _save_view([read_config(path) for path in found], boards.wandb)


def _save_view(configs: Sequence[RunConfig], place: Place) -> None:
    from cl_bench.cli.console import console
    from cl_bench.reports.sinks.wandb_workspace import save_workspace

    with _named("W&B did not take the workspace"):
        view = save_workspace(configs, place.entity, place.project)
    console.print(f"workspace  {view}", soft_wrap=True)


def _must_have_views(boards: Dashboards) -> None:
    """Raise where no workspace can be made, before anything is sent."""
    from cl_bench.reports.sinks.wandb_workspace import must_be_installed

    if boards.wandb is None or boards.wandb.mode != "online":
        raise UserError("--workspace makes a view on W&B's server: it needs --to wandb, online")
    must_be_installed()


@contextmanager
def _named(what: str) -> Iterator[None]:
    """Let what a client of the network raises say what it is about."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{what}: {in_one_line(error)}") from error


def _targets(target: str, said: BoardOptions, checkpoints: bool, report: Path | None) -> Dashboards:
    """The one dashboard that runs are sent to."""
    if target not in TARGETS:
        raise unknown("target", target, TARGETS)
    if target == "tensorboard":
        return Dashboards(None, said.tensorboard or Path("tensorboard"))
    mode = said.wandb or "online"
    if mode not in MODES[:2]:
        raise unknown("mode of W&B", mode, MODES[:2])
    place = _place(mode, said, checkpoints=checkpoints, report=report)
    return Dashboards(place, None, said.wandb_predictions)
