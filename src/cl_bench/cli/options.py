"""Options that several commands take."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from cl_bench.benchmark.errors import UserError

# What a run is.
Suite = Annotated[
    str | None,
    typer.Option(
        help="mini, mtil or FILE.toml. (default: mtil where CL_BENCH_DATA is set, else mini)"
    ),
]
Backbone = Annotated[
    str | None, typer.Option(help="tiny-clip, or NAME:WEIGHTS. (default: the suite's)")
]
Device = Annotated[
    str | None, typer.Option(help="cpu, cuda, cuda:1. (default: a GPU if there is one)")
]
Precision = Annotated[
    str | None, typer.Option(help="fp32, bf16 or fp16. (default: the preset's, else the suite's)")
]
Preset = Annotated[
    str | None,
    typer.Option(
        help="paper: the method's published budget, prompts, augmentation, precision. fair: one "
        "for all. "
        "(default: the suite's)"
    ),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change one setting; may be repeated.", metavar="KEY=VALUE"),
]
Plugin = Annotated[
    Path | None, typer.Option(help="A Python file with a method of your own.", metavar="FILE")
]
DataRoot = Annotated[Path | None, typer.Option(help="Folder of the MTIL data sets.", metavar="DIR")]
Cache = Annotated[
    Path | None,
    typer.Option(
        help="Where decoded images are kept. (default: beside the data sets)", metavar="DIR"
    ),
]
Protocol = Annotated[
    str | None,
    typer.Option(
        help="mtil: an image is classified over its task's classes. x-tail: over all tasks'. "
        "(default: the suite's)"
    ),
]
Shots = Annotated[
    int | None, typer.Option(min=1, help="Train on N images of every class.", metavar="N")
]
SkipBroken = Annotated[
    bool, typer.Option("--skip-broken", help="Leave unreadable images out; recorded.")
]
PartialData = Annotated[
    bool,
    typer.Option(
        "--partial-data", help="Run on the part of the data sets that is there; recorded."
    ),
]
ReferenceImages = Annotated[
    Path | None, typer.Option(help="Folder of images that belong to no task.", metavar="DIR")
]
ReferenceTexts = Annotated[
    Path | None, typer.Option(help="Captions: .txt, .tsv, .csv, .json or .jsonl.", metavar="FILE")
]
SelectorWeights = Annotated[
    Path | None, typer.Option(help="torchvision's AlexNet weights.", metavar="FILE")
]
Tasks = Annotated[int | None, typer.Option(help="Learn the first N tasks only.", metavar="N")]

# Where it is shown while it lasts.
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


def seeds_in(text: str, parts: Sequence[str]) -> list[int]:
    """The numbers that ``--seeds`` lists.

    Raises:
        UserError: one of the ``parts`` of ``text`` is no number.
    """
    try:
        return [int(part) for part in parts]
    except ValueError:
        raise UserError(f"--seeds {text!r} is not a list of whole numbers such as 0,1,2") from None
