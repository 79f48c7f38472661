"""``cl-bench run``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cl_bench.benchmark.errors import UserError
from cl_bench.cli.dashboards import BoardOptions
from cl_bench.cli.options import seeds_in, takes
from cl_bench.experiment.choices import OPTIONS, Choices, choices_of


@takes("given", Choices, OPTIONS)
@takes("boards", BoardOptions, BoardOptions.model_fields)
def run(
    given: dict[str, Any],
    boards: dict[str, Any],
    seeds: Annotated[
        str | None, typer.Option(help="Several seeds, one run each: 0,1,2", metavar="S,S,...")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with these options as keys.", metavar="FILE")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where runs are kept. (default: runs)", metavar="DIR")
    ] = None,
    write_config: Annotated[
        Path | None,
        typer.Option(
            help="Write these options as a commented --config file; run nothing.", metavar="FILE"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the plan and what it will cost; train nothing.")
    ] = False,
    no_estimate: Annotated[
        bool, typer.Option("--no-estimate", help="With --dry-run: the plan alone, at once.")
    ] = False,
) -> None:
    """Let a method learn a suite's tasks in order; continues a run that was interrupted."""
    from cl_bench.cli.dashboards import chosen
    from cl_bench.cli.execute import run_command
    from cl_bench.experiment.config_file import read_config_file

    if no_estimate and not dry_run:
        raise UserError("--no-estimate belongs to --dry-run: add it, or leave --no-estimate out")
    also = ("seeds", "out", *BoardOptions.model_fields)
    file = read_config_file(config, also) if config else {}
    of_run = {name: value for name, value in file.items() if name in OPTIONS} | given
    of_run["overrides"] = (*file.get("overrides", ()), *given.get("overrides", ()))
    of_boards = {name: file[name] for name in BoardOptions.model_fields if name in file} | boards
    choices = choices_of(of_run)
    numbers = _seeds(given.get("seed"), seeds) or _seeds_of_file(config, file)
    if write_config is not None:
        folder = out or file.get("out")
        further = {"seeds": numbers, **({"out": str(folder)} if folder else {}), **of_boards}
        _write_example(write_config, choices, further)
        return
    run_command(
        choices,
        numbers,
        Path(out or file.get("out", "runs")),
        dry_run,
        chosen(of_boards),
        *((False,) if no_estimate else ()),
    )


def _write_example(file: Path, choices: Choices, further: dict[str, Any]) -> None:
    from cl_bench.experiment.config_example import config_example

    text = config_example(choices, further)
    try:
        with file.open("x", encoding="utf-8") as opened:
            opened.write(text)
    except FileExistsError:
        raise UserError(f"--write-config {file}: there is such a file; it stays as it is") from None
    typer.echo(f"{file}: run it with cl-bench run --config {file}")


def _seeds(one: int | None, several: str | None) -> list[int]:
    """The seeds that were typed; empty where none was."""
    if one is not None and several is not None:
        raise UserError("give --seed or --seeds, not both")
    if one is not None:
        return [one]
    return _different(seeds_in(several, several.split(","))) if several else []


def _seeds_of_file(file: Path | None, said: dict[str, Any]) -> list[int]:
    seeds = said.get("seeds", [said.get("seed", 0)])
    if "seed" in said and "seeds" in said:
        raise UserError(f"{file}: give seed or seeds, not both")
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise UserError(f"{file}: seeds must be whole numbers such as [0, 1, 2], not {seeds!r}")
    return _different(seeds)


def _different(seeds: list[int]) -> list[int]:
    if min(seeds) < 0 or len(set(seeds)) < len(seeds):
        raise UserError(f"--seeds: {seeds} must be different numbers from 0 up")
    return seeds
