"""The one door to a run: the command line, sweeps, tests and scripts of one's own go through it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cl_bench.benchmark.opening import finished_run, must_be_of
from cl_bench.benchmark.record import RunFolder, RunResult, read_config
from cl_bench.benchmark.records.events import Listener
from cl_bench.benchmark.records.manifest import is_finished
from cl_bench.datasets.progress import ProgressCallback, silent
from cl_bench.experiment.again import resolve_again
from cl_bench.experiment.assemble import assemble
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import RUNS, Plan, resolve


def ignore(event: Any) -> None:
    """Listen to nothing."""


def run_experiment(
    choices: Choices,
    listen: Listener = ignore,
    out: Path = RUNS,
    on_progress: ProgressCallback = silent,
) -> RunResult:
    """Run what was asked for, or continue it; a run that is finished is read.

    Args:
        choices: what was asked for.
        listen: receives every event of the run as it is logged.
        out: the folder below which the run gets its directory.
        on_progress: hears of the progress of decoding.

    Raises:
        UserError: a choice is wrong, data is missing, or the run's directory is damaged or in use.
    """
    return carry_out(resolve(choices, out), listen, on_progress)


def continue_experiment(
    run: Path,
    listen: Listener = ignore,
    given: Mapping[str, Path] | None = None,
    on_progress: ProgressCallback = silent,
) -> RunResult:
    """Continue the run in a directory, wherever directory and data are now.

    Args:
        run: the directory.
        listen: receives every event of the run as it is logged.
        given: by option, where a file lies now that is in neither of the recorded places.
        on_progress: hears of the progress of decoding.

    Raises:
        UserError: it cannot be continued as what it began.
    """
    if is_finished(run):  # then none of the files is needed that it was made from
        return read_finished(run)
    return carry_out(resolve_again(read_config(run), run, given or {}), listen, on_progress)


def carry_out(
    plan: Plan, listen: Listener = ignore, on_progress: ProgressCallback = silent
) -> RunResult:
    """Run a plan to its end; arguments as of :func:`run_experiment`."""
    if is_finished(plan.folder):
        must_be_of(plan.folder, plan.config)
        return read_finished(plan.folder)
    return assemble(plan, on_progress).run(listen)


def read_finished(run: Path) -> RunResult:
    """Read a finished run whose files are all as they were written.

    Raises:
        UserError: something in it is damaged, or another process works on it.
    """
    with RunFolder(run).locked():
        return finished_run(run)
