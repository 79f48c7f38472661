"""``cl-bench run``: its options."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.processes.launcher import launched
from cl_bench.cli.completion import several_orders
from cl_bench.cli.dashboards import BoardOptions
from cl_bench.cli.options import Quiet, takes
from cl_bench.experiment.choices import OPTIONS, Choices

Orders = Annotated[
    str | None,
    typer.Option(
        help="Several orders, one run each: I,II; semicolons between lists of tasks: 'I;A,B,C'",
        metavar="O,O,...",
        autocompletion=several_orders,
    ),
]
Seeds = Annotated[
    str | None, typer.Option(help="Several seeds, one run each: 0,1,2", metavar="S,S,...")
]
Config = Annotated[
    Path | None, typer.Option(help="A TOML file with these options as keys.", metavar="FILE")
]
Out = Annotated[
    Path | None, typer.Option(help="Where runs are kept. (default: runs)", metavar="DIR")
]
WriteConfig = Annotated[
    Path | None,
    typer.Option(
        help="Write these options as a commented --config file; run nothing.", metavar="FILE"
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Show the plan and what it will cost; train nothing.")
]
NoEstimate = Annotated[
    bool, typer.Option("--no-estimate", help="With --dry-run: the plan alone, at once.")
]


@takes("given", Choices, OPTIONS)
@takes("boards", BoardOptions, BoardOptions.model_fields)
def run(
    given: dict[str, Any],
    boards: dict[str, Any],
    orders: Orders = None,
    seeds: Seeds = None,
    config: Config = None,
    out: Out = None,
    write_config: WriteConfig = None,
    dry_run: DryRun = False,
    no_estimate: NoEstimate = False,
    quiet: Quiet = False,
) -> None:
    """Let a method learn a suite's tasks in order; continues a run that was interrupted."""
    from cl_bench.cli.asked import asked_for
    from cl_bench.cli.console import silenced
    from cl_bench.cli.dashboards import chosen
    from cl_bench.cli.execute import run_command
    from cl_bench.cli.write_config import write_config_file

    if no_estimate and not dry_run:
        raise UserError("--no-estimate belongs to --dry-run: add it, or leave --no-estimate out")
    if launched()[1] > 1 and (dry_run or write_config is not None):
        raise UserError("nothing is computed together: start it without torchrun")
    asked = asked_for(given, boards, orders, seeds, config, out)
    with silenced(quiet):
        if write_config is not None:
            write_config_file(write_config, asked)
            return
        boards_of = chosen(asked.boards, len(asked.seeds) * max(1, len(asked.orders)))
        run_command(
            asked.choices, asked.seeds, asked.folder, dry_run, boards_of, asked.orders,
            not no_estimate,
        )  # fmt: skip
