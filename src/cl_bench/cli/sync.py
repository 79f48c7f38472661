"""``cl-bench sync``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cl_bench.cli.completion import runs as completed
from cl_bench.cli.dashboards import BoardOptions, sync_command
from cl_bench.cli.options import takes
from cl_bench.experiment.choices import validated


@takes("boards", BoardOptions, BoardOptions.model_fields)
def sync(
    runs: Annotated[
        list[Path], typer.Argument(help="Runs, or folders of them.", autocompletion=completed)
    ],
    boards: dict[str, Any],
    to: Annotated[str, typer.Option(help="wandb or tensorboard.")] = "wandb",
    checkpoints: Annotated[
        bool, typer.Option("--checkpoints", help="Send the methods' states, too.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="An HTML report to send along.", metavar="FILE")
    ] = None,
    workspace: Annotated[
        bool,
        typer.Option(
            "--workspace", help="Add a view of the W&B project with panels for these runs."
        ),
    ] = False,
) -> None:
    """Send finished or offline runs to a dashboard, from their logs; to W&B, online, by default."""
    said = validated(lambda: BoardOptions.model_validate(boards))
    sync_command(runs, to, said, checkpoints, report, workspace)
