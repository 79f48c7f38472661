"""``cl-bench sweep``: its options."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cl_bench.benchmark.config import Settings
from cl_bench.cli.completion import several_methods
from cl_bench.cli.dashboards import BoardOptions, chosen
from cl_bench.cli.options import Quiet, takes
from cl_bench.experiment.choices import (
    OPTIONS,
    Choices,
    Folder,
    Written,
    choices_of,
    option_name,
    validated,
)

Methods = Annotated[
    str,
    typer.Option(
        help="With commas; NAME:KEY=VALUE for one of them alone.",
        metavar="M,M,...",
        autocompletion=several_methods,
    ),
]
OF_A_CELL = ("method", "order", "seed")  # what differs from run to run


class SweepOptions(Settings):
    """How a grid is run."""

    orders: Annotated[str, Written("O,O,...")] = "I"
    """With commas; with semicolons where one is a list of tasks. (default: I)"""
    seeds: Annotated[str, Written("S,S,...")] = "0"
    """With commas. (default: 0)"""
    out: Folder = None
    """Where runs are kept, and what belongs to the sweep. (default: runs, and runs/sweeps/DIGEST)"""
    launcher: str = "local"
    """local, slurm (through submitit) or ray; the last two are extras. (default: local)"""
    resource: Annotated[tuple[str, ...], Written("KEY=VALUE")] = ()
    """What one run needs: under slurm, submitit's names (timeout_min=600, gpus_per_node=1,
    slurm_partition=gpu); under ray, num_cpus, num_gpus, address."""
    jobs: int | None = None
    """Runs at a time. (default: 1 here, as many as fit on a cluster)"""
    retry_failed: bool = False
    """Run what failed again."""
    dry_run: bool = False
    """Check every run and say what is to do."""
    emit: str | None = None
    """wandb: write the grid as a W&B sweep file and run nothing."""


@takes("asked", SweepOptions, SweepOptions.model_fields)
@takes("given", Choices, [name for name in OPTIONS if name not in OF_A_CELL])
@takes("boards", BoardOptions, BoardOptions.model_fields)
def sweep(
    methods: Methods,
    asked: dict[str, Any],
    given: dict[str, Any],
    boards: dict[str, Any],
    quiet: Quiet = False,
) -> None:
    """Run a grid of methods, orders and seeds; the same command again continues."""
    from cl_bench.cli.console import silenced
    from cl_bench.cli.sweep.command import sweep_command
    from cl_bench.cli.sweep.emit import emit_command
    from cl_bench.cli.sweep.grid import make_grid
    from cl_bench.cli.sweep.launchers import find_launcher
    from cl_bench.cli.sweep.sweep import Sweep
    from cl_bench.reports.runs.command import option_words

    how = validated(lambda: SweepOptions.model_validate(asked))
    grid = Sweep(
        make_grid(methods, how.orders, how.seeds),
        choices_of(given),
        tuple(option_words({option_name(name): value for name, value in given.items()})),
        tuple(option_words(boards)),
        how.out,
    )
    chosen(boards, len(grid.cells))  # a mistake in them shows now and not in every run
    with silenced(quiet):
        if how.emit is not None:
            emit_command(grid, how.emit)
            return
        launcher = find_launcher(how.launcher, how.resource, how.jobs)
        if not sweep_command(grid, launcher, how.retry_failed, how.dry_run):
            raise typer.Exit(1)
