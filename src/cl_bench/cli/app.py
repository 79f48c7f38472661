"""The command line: every command and its options.

Nothing that takes long to import is imported here at the top: ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

import cl_bench
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.processes.launcher import launched
from cl_bench.cli import data
from cl_bench.cli.as_json import AsJson
from cl_bench.cli.completion import methods, suites
from cl_bench.cli.export import export
from cl_bench.cli.mended_by_the_user import mended_by_the_user
from cl_bench.cli.options import RunPath, Runs, Seeds
from cl_bench.cli.resume import resume
from cl_bench.cli.run import run
from cl_bench.cli.sweep.options import sweep
from cl_bench.cli.sweep.orphan import end_with_its_sweep
from cl_bench.cli.sync import sync
from cl_bench.cli.usage import USAGE_ERROR, show_usage_error
from cl_bench.cli.verify.command import verify

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Compare continual-learning methods for CLIP: one runner, many methods.",
)
app.add_typer(data.app, name="data")
SPEAKING = 3  # seconds
STOPPED = 130  # typer's code for Ctrl-C


def main() -> None:
    """Run the command line; a user's mistake is one line and exit code 2."""
    end_with_its_sweep()
    debug = "--debug" in sys.argv  # wherever it stands on the line
    if launched()[0] > 0 and not debug:
        _say_nothing()
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        code = app(prog_name="cl-bench", standalone_mode=False)
    except (UserError, OSError, MemoryError, RuntimeError) as error:
        words = mended_by_the_user(error)
        if debug or words is None:
            raise
        typer.secho(f"error: {words}", fg="red", err=True)
        _let_the_first_speak()
        raise SystemExit(2) from None
    except (KeyboardInterrupt, typer.Abort):
        code = STOPPED
    except USAGE_ERROR as error:
        show_usage_error(error)
        _let_the_first_speak()
        raise SystemExit(2) from None
    if code == STOPPED:
        typer.secho("stopped; `cl-bench resume RUN` continues where it was", err=True)
    raise SystemExit(code or 0)


def _say_nothing() -> None:
    """Of several processes the first one speaks; also what is not Python's own is not printed."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(nowhere, stream)


def _let_the_first_speak() -> None:
    """Of several processes with one mistake, end behind the first: the launcher stops all with one."""
    if launched()[0] > 0:
        time.sleep(SPEAKING)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"cl-bench {cl_bench.__version__}")
        raise typer.Exit


@app.callback()
def common(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Options before the command."""
    command, processes = context.invoked_subcommand, launched()[1]
    if processes > 1 and command not in ("run", "resume"):
        raise UserError(
            f"{processes} processes can share the work of `run` and `resume` alone: start {command} "
            "without torchrun"
        )


app.command()(run)
app.command()(resume)


app.command()(sync)
app.command()(sweep)


@app.command()
def show(
    run_dir: RunPath,
    check: Annotated[
        bool, typer.Option("--check", help="Verify every file and recompute the accuracies.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show a run's accuracy matrix, its metrics and its cost."""
    from cl_bench.benchmark.record import read_run
    from cl_bench.benchmark.records.claims import check_run
    from cl_bench.cli.as_json import print_json, run_as_json
    from cl_bench.cli.console import console
    from cl_bench.reports.terminal.show import render

    if check:
        if problems := check_run(run_dir):
            raise UserError("; ".join(problems))
        if not as_json:
            typer.echo(f"{run_dir} is whole: its accuracies follow from its predictions")
    run = read_run(run_dir)
    if as_json:
        print_json(run_as_json(run))
        return
    if not check:
        console.print(render(run))
    if not run.checkable:
        typer.echo("made before ledgers: that its files are unchanged cannot be checked")


app.command()(verify)
app.command()(export)


class Listable(StrEnum):
    """What ``cl-bench list`` can list."""

    methods = "methods"
    suites = "suites"
    orders = "orders"
    datasets = "datasets"
    backbones = "backbones"
    licences = "licences"
    settings = "settings"
    recipe = "recipe"
    budget = "budget"
    protocol = "protocol"


OF_A_METHOD = (Listable.settings, Listable.recipe, Listable.budget, Listable.protocol)


@app.command("list")
def list_(
    what: Annotated[Listable, typer.Argument()],
    method: Annotated[
        str | None,
        typer.Argument(help="Whose settings, recipe, budget or protocol.", autocompletion=methods),
    ] = None,
    suite: Annotated[
        str,
        typer.Option(
            help="Whose orders or data sets; on which settings have their values.",
            autocompletion=suites,
        ),
    ] = "mini",
    plugin: Annotated[
        Path | None, typer.Option(help="A Python file with the method.", metavar="FILE")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """List the names that `run` takes, or what can be set of a method."""
    from cl_bench.cli import inspect
    from cl_bench.cli.as_json import print_json
    from cl_bench.cli.list_json import listed
    from cl_bench.cli.list_settings import show_settings

    if method is not None and what not in OF_A_METHOD:
        raise UserError(f"list {what.value} takes no further name, not {method!r}")
    if as_json:
        print_json(list(listed(what.value, method, suite, plugin)))
        return
    if what in OF_A_METHOD:
        show_settings(what.value, method, suite, plugin)
        return
    inspect.show_list(what.value, suite)


@app.command()
def report(
    runs: Runs = None,
    out: Annotated[Path, typer.Option(help="Where to write.", metavar="DIR")] = Path("report"),
    style: Annotated[
        str, typer.Option(help="Of the pictures: screen, or paper for the columns of a paper.")
    ] = "screen",
) -> None:
    """Write tables and pictures of a folder of runs."""
    from cl_bench.experiment.choices import RUNS
    from cl_bench.reports.report import write_report

    written = write_report(runs or [RUNS], out, style)
    for path, reason in written.left_out:
        typer.secho(f"left out {path}: {reason}", fg="yellow", err=True)
    for path in written.files:
        typer.echo(path)


@app.command()
def compare(
    a: Seeds,
    b: Seeds,
    as_json: AsJson = False,
) -> None:
    """Compare two methods data set by data set: is it more than noise?"""
    from cl_bench.cli.as_json import print_json
    from cl_bench.cli.compare_json import compared
    from cl_bench.cli.console import console
    from cl_bench.reports.statistics.side_by_side import side_by_side
    from cl_bench.reports.terminal.compare import compare as shown

    found = side_by_side(a, b)
    if as_json:
        print_json(compared(found))
    else:
        console.print(shown(found))


@app.command()
def why(
    a: RunPath,
    b: RunPath,
) -> None:
    """Show what differs between two runs: configuration, code, data, packages, hardware."""
    from cl_bench.benchmark.record import must_be_whole
    from cl_bench.cli.console import console
    from cl_bench.reports.terminal import why as reasons

    for path in (a, b):
        must_be_whole(path)
    console.print(reasons.why(a, b))


@app.command()
def published(
    order: Annotated[str, typer.Option(help="I, II, or what a source calls its own.")] = "I",
    setting: Annotated[
        str, typer.Option(help="full, 5-shot, 'X-TAIL 16-shot', ... as the sources say.")
    ] = "full",
    as_json: AsJson = False,
) -> None:
    """List published results with their sources; different splits of the data stand apart."""
    from cl_bench.cli.published import print_published_json, show_published

    (print_published_json if as_json else show_published)(order, setting)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check this installation: packages, device, embedded data, disk; exit code 1 if one fails."""
    from cl_bench.cli.show_doctor import print_doctor_json, show_doctor

    if not (print_doctor_json() if as_json else show_doctor()):
        raise typer.Exit(1)
