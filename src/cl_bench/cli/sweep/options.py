"""``cl-bench sweep``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cl_bench.cli.dashboards import BoardOptions, chosen
from cl_bench.cli.options import takes
from cl_bench.experiment.choices import OPTIONS, Choices, choices_of, option_name

OF_A_CELL = ("method", "order", "seed")  # what differs from run to run


@takes("given", Choices, [name for name in OPTIONS if name not in OF_A_CELL])
@takes("boards", BoardOptions, BoardOptions.model_fields)
def sweep(
    methods: Annotated[
        str, typer.Option(help="With commas; NAME:KEY=VALUE for one of them alone.", metavar="M,M")
    ],
    given: dict[str, Any],
    boards: dict[str, Any],
    orders: Annotated[str, typer.Option(help="With commas.", metavar="O,O")] = "I,II",
    seeds: Annotated[str, typer.Option(help="With commas.", metavar="S,S")] = "0",
    out: Annotated[Path, typer.Option(help="Folder of the sweep.", metavar="DIR")] = Path("sweep"),
    launcher: Annotated[
        str, typer.Option(help="local, slurm (through submitit) or ray; the last two are extras.")
    ] = "local",
    resource: Annotated[
        list[str] | None,
        typer.Option(
            help="What one run needs: under slurm, submitit's names (timeout_min=600, "
            "gpus_per_node=1, slurm_partition=gpu); under ray, num_cpus, num_gpus, address.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(help="Runs at a time. (default: 1 here, as many as fit on a cluster)"),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Run what failed again.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check every run and say what is to do.")
    ] = False,
    emit: Annotated[
        str | None,
        typer.Option(help="wandb: write the grid as a W&B sweep file and run nothing."),
    ] = None,
) -> None:
    """Run a grid of methods, orders and seeds; the same command again continues."""
    from cl_bench.cli.sweep.command import Sweep, sweep_command
    from cl_bench.cli.sweep.emit import emit_command
    from cl_bench.cli.sweep.grid import make_grid
    from cl_bench.cli.sweep.launchers import find_launcher
    from cl_bench.reports.runs.command import option_words

    chosen(boards)  # a mistake in them shows now and not in every run
    grid = Sweep(
        make_grid(methods, orders, seeds),
        choices_of(given),
        tuple(option_words({option_name(name): value for name, value in given.items()})),
        tuple(option_words(boards)),
        out,
    )
    if emit is not None:
        emit_command(grid, emit)
    elif not sweep_command(
        grid, find_launcher(launcher, resource or [], jobs), retry_failed, dry_run
    ):
        raise typer.Exit(1)
