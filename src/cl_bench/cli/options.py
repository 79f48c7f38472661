"""Options that several commands take: where a run is shown while it lasts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Wandb = Annotated[
    str | None,
    typer.Option(
        "--wandb", metavar="MODE",
        help="online, offline or disabled. (default: WANDB_MODE, else disabled)",
    ),
]  # fmt: skip
WandbProject = Annotated[str, typer.Option(help="W&B project.")]
WandbEntity = Annotated[str | None, typer.Option(help="W&B user or team. (default: W&B's)")]
WandbTags = Annotated[str | None, typer.Option(help="Further tags, with commas.", metavar="T,T")]
TensorBoard = Annotated[
    Path | None, typer.Option("--tensorboard", help="Write event files, too.", metavar="DIR")
]
