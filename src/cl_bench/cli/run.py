"""``cl-bench run``: its options."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from cl_bench.benchmark.errors import UserError
from cl_bench.cli import options as o


def run(
    method: Annotated[
        str | None, typer.Option(help="See `cl-bench list methods`. (default: keeplora)")
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="I, II, or task names with commas. (default: I)")
    ] = None,
    suite: o.Suite = None,
    backbone: o.Backbone = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Random seed. (default: 0)")] = None,
    seeds: Annotated[
        str | None, typer.Option(help="Several seeds, one run each: 0,1,2", metavar="S,S,...")
    ] = None,
    device: o.Device = None,
    precision: o.Precision = None,
    preset: o.Preset = None,
    settings: o.Settings = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with these options as keys.", metavar="FILE")
    ] = None,
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
    out: Annotated[
        Path | None, typer.Option(help="Where runs are kept. (default: runs)", metavar="DIR")
    ] = None,
    tasks: o.Tasks = None,
    wandb: o.Wandb = None,
    wandb_project: o.WandbProject = "cl-bench",
    wandb_entity: o.WandbEntity = None,
    wandb_tags: o.WandbTags = None,
    tensorboard: o.TensorBoard = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and what it will cost; train nothing.")
    ] = False,
) -> None:
    """Let a method learn a suite's tasks in order; continues a run that was interrupted."""
    from cl_bench.cli import dashboards
    from cl_bench.cli.choices import choices_of, read_config_file
    from cl_bench.cli.execute import run_command

    file = read_config_file(config) if config else {}
    given = {
        "method": method, "order": order, "suite": suite, "backbone": backbone, "device": device,
        "precision": precision, "preset": preset, "plugin": plugin, "data_root": data_root,
        "tasks": tasks, "cache": cache, "protocol": protocol, "shots": shots,
        "skip_broken": skip_broken, "partial_data": partial_data,
        "reference_images": reference_images, "reference_texts": reference_texts,
        "selector_weights": selector_weights,
    }  # fmt: skip
    chosen = {key: file.get(key) if value is None else value for key, value in given.items()}
    overrides = (*_as_pairs(file.get("set", {})), *(settings or ()))
    run_command(
        choices_of(chosen, overrides),
        _seeds(seed, seeds, file.get("seeds")),
        Path(out or file.get("out", "runs")),
        dry_run,
        dashboards.chosen(wandb, wandb_project, wandb_entity, wandb_tags, tensorboard),
    )


def _as_pairs(table: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(f"{key}={json.dumps(value)}" for key, value in table.items())


def _seeds(one: int | None, several: str | None, listed: list[int] | None) -> list[int]:
    if one is not None and several is not None:
        raise UserError("give --seed or --seeds, not both")
    if one is not None:
        return [one]
    seeds = o.seeds_in(several, several.split(",")) if several else list(listed or [0])
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds: {seeds} must be different numbers from 0 up")
    return seeds
