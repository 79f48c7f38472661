"""``cl-bench sweep``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cl_bench.cli import options as o


def sweep(
    methods: Annotated[
        str, typer.Option(help="With commas; NAME:KEY=VALUE for one of them alone.", metavar="M,M")
    ],
    orders: Annotated[str, typer.Option(help="With commas.", metavar="O,O")] = "I,II",
    seeds: Annotated[str, typer.Option(help="With commas.", metavar="S,S")] = "0",
    suite: o.Suite = None,
    backbone: o.Backbone = None,
    device: o.Device = None,
    precision: o.Precision = None,
    preset: o.Preset = None,
    settings: o.Settings = None,
    plugin: o.Plugin = None,
    data_root: o.DataRoot = None,
    cache: o.Cache = None,
    protocol: o.Protocol = None,
    shots: o.Shots = None,
    skip_broken: o.SkipBroken = False,
    partial_data: o.PartialData = False,
    reference_images: o.ReferenceImages = None,
    reference_texts: o.ReferenceTexts = None,
    selector_weights: o.SelectorWeights = None,
    tasks: o.Tasks = None,
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
    wandb: o.Wandb = None,
    wandb_project: o.WandbProject = "cl-bench",
    wandb_entity: o.WandbEntity = None,
    wandb_tags: o.WandbTags = None,
    tensorboard: o.TensorBoard = None,
) -> None:
    """Run a grid of methods, orders and seeds; the same command again continues."""
    from cl_bench.cli import dashboards
    from cl_bench.cli.choices import choices_of
    from cl_bench.cli.sweep.command import Sweep, sweep_command
    from cl_bench.cli.sweep.emit import emit_command
    from cl_bench.cli.sweep.grid import make_grid
    from cl_bench.cli.sweep.launchers import find_launcher
    from cl_bench.reports.runs.command import option_words

    given = {
        "suite": suite, "backbone": backbone, "device": device, "precision": precision,
        "preset": preset, "plugin": plugin, "data_root": data_root, "cache": cache,
        "protocol": protocol, "shots": shots, "skip_broken": skip_broken,
        "partial_data": partial_data, "reference_images": reference_images,
        "reference_texts": reference_texts, "selector_weights": selector_weights, "tasks": tasks,
    }  # fmt: skip
    shown = {
        "wandb": wandb, "wandb_project": wandb_project if wandb else None,
        "wandb_entity": wandb_entity, "wandb_tags": wandb_tags, "tensorboard": tensorboard,
    }  # fmt: skip
    # A mistake in them shows now and not in every run.
    dashboards.chosen(wandb, wandb_project, wandb_entity, wandb_tags, tensorboard)
    pairs = tuple(settings or ())
    grid = Sweep(
        make_grid(methods, orders, seeds),
        choices_of(given, pairs),
        tuple(option_words({**given, "set": pairs})),
        tuple(option_words(shown)),
        out,
    )
    if emit is not None:
        emit_command(grid, emit)
    elif not sweep_command(
        grid, find_launcher(launcher, resource or [], jobs), retry_failed, dry_run
    ):
        raise typer.Exit(1)
