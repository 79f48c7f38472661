"""``cl-bench resume``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cl_bench.cli import options as o


def resume(
    run_dir: Annotated[Path, typer.Argument(help="A run's directory.", metavar="RUN")],
    suite: o.Suite = None,
    backbone: o.Backbone = None,
    plugin: o.Plugin = None,
    data_root: o.DataRoot = None,
    cache: o.Cache = None,
    reference_images: o.ReferenceImages = None,
    reference_texts: o.ReferenceTexts = None,
    selector_weights: o.SelectorWeights = None,
    wandb: o.Wandb = None,
    wandb_project: o.WandbProject = "cl-bench",
    wandb_entity: o.WandbEntity = None,
    wandb_tags: o.WandbTags = None,
    tensorboard: o.TensorBoard = None,
) -> None:
    """Continue a run that was interrupted; the result is the same as without interruption.

    Options of `run` say where its files are now, if neither the run nor they stayed in place.
    """
    from cl_bench.cli import dashboards
    from cl_bench.cli.execute import resume_command
    from cl_bench.cli.places import file_of

    moved = {
        "suite": Path(suite) if suite else None, "backbone": file_of(backbone or ""),
        "plugin": plugin, "data_root": data_root, "cache": cache,
        "reference_images": reference_images, "reference_texts": reference_texts,
        "selector_weights": selector_weights,
    }  # fmt: skip
    given = {name: path for name, path in moved.items() if path is not None}
    boards = dashboards.chosen(wandb, wandb_project, wandb_entity, wandb_tags, tensorboard)
    resume_command(run_dir, given, boards)
