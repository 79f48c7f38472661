"""``--write-config``: the runs that are asked for as a commented file for ``--config``. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from cl_bench.benchmark.errors import UserError
from cl_bench.cli.asked import Asked
from cl_bench.cli.console import console, made
from cl_bench.experiment.config_example import config_example


def write_config_file(file: Path, asked: Asked) -> None:
    """Write the file and say how it is used; run nothing.

    Raises:
        UserError: there is such a file, or a choice is wrong.
    """
    further: dict[str, Any] = {"seeds": asked.seeds}
    if asked.orders:
        further["orders"] = asked.orders
    if asked.out:
        further["out"] = str(asked.out)
    text = config_example(asked.choices, {**further, **asked.boards})
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise UserError(f"--write-config {file}: there is such a file; it stays as it is") from None
    if not console.quiet:
        typer.echo(f"{file}: run it with cl-bench run --config {file}")
    made(file)
