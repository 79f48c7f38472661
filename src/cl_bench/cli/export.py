"""``cl-bench export``: a method's state as weights that open_clip loads, with a card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cl_bench.cli.options import RunPath


def export(
    run_dir: RunPath,
    out: Annotated[
        Path,
        typer.Option(
            help="The file to make: .safetensors or .pt; FILE.md beside it.", metavar="FILE"
        ),
    ],
    after: Annotated[
        int | None, typer.Option(help="How many tasks are learned. (default: all)", metavar="K")
    ] = None,
) -> None:
    """Write a run's model as plain weights for open_clip, with a model card made from the record."""
    from cl_bench.benchmark.records.files import write_atomically
    from cl_bench.benchmark.records.find_checkpoint import find_checkpoint
    from cl_bench.experiment.export import check_target, plain_clip, write_weights
    from cl_bench.reports.model_card import model_card

    card = out.with_name(f"{out.name}.md")
    check_target(out, card)
    kept = find_checkpoint(run_dir, after)
    clip = plain_clip(kept, out.name)
    about = model_card(kept.run, kept.learned, kept.sha256, out.name, clip.loading)
    write_weights(out, clip.weights)
    try:
        write_atomically(card, about.encode())
    except OSError:
        out.unlink()  # no weights without what must be known of them
        raise
    for file in (out, card):
        typer.echo(file)
