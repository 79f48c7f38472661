"""How every run starts: from the command line, in sweeps and tests, and in scripts of one's own.

What takes seconds to import is imported when a run begins: a mistake is answered before.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.errors import is_out_of_memory
from cl_bench.benchmark.interval import Interval
from cl_bench.benchmark.processes.first import in_turn, led
from cl_bench.benchmark.processes.group import joined, leads
from cl_bench.benchmark.record import RunResult, read_config
from cl_bench.benchmark.records.events import Listener
from cl_bench.benchmark.records.manifest import is_finished
from cl_bench.experiment import disk, division
from cl_bench.experiment.again import resolve_again
from cl_bench.experiment.audience import Audience, ignore
from cl_bench.experiment.choices import RUNS, Choices
from cl_bench.experiment.resolve import Plan, resolve
from cl_bench.experiment.slow_arithmetic import slow_arithmetic

if TYPE_CHECKING:
    from cl_bench.experiment.assemble import Experiment


def run_experiment(choices: Choices, listen: Listener = ignore, out: Path = RUNS) -> RunResult:
    """Run what was asked for, or continue it; a run that is finished is read.

    Args:
        choices: what was asked for.
        listen: receives every event of the run as it is logged.
        out: the folder below which the run gets its directory.

    Raises:
        UserError: a choice is wrong, data is missing, or the run's directory is damaged or in use.
    """
    with joined():
        return carry_out(resolve(choices, out), Audience(listen))


def continue_experiment(
    run: Path, listen: Listener = ignore, given: Mapping[str, Path] | None = None
) -> RunResult:
    """Continue the run in a directory, wherever directory and data are now.

    Args:
        run: the directory.
        listen: receives every event of the run as it is logged.
        given: by option, where a file lies now that is in neither of the recorded places.

    Raises:
        UserError: it cannot be continued as what it began.
    """
    return carry_on(run, given or {}, Audience(listen))


def carry_on(
    run: Path,
    given: Mapping[str, Path],
    audience: Audience,
    interval: Interval | None = None,
) -> RunResult:
    """Continue the run in a directory.

    Args:
        run: the directory.
        given: as of :func:`continue_experiment`.
        audience: hears of it.
        interval: between two states that are kept within a task, instead of that of the run's record.
    """
    with joined():
        audience = audience if leads() else Audience()
        if led(partial(is_finished, run)):  # then none of the files is needed that it was made from
            return _read_finished(run, audience)
        plan = resolve_again(read_config(run), run, given)
        return carry_out(replace(plan, interval=interval or plan.interval), audience)


def carry_out(plan: Plan, audience: Audience) -> RunResult:
    """Run a plan to its end, together with the processes that were started beside this one.

    Args:
        plan: of the run.
        audience: hears of it in the first process, of its data's remarks before anything is learned.

    Raises:
        UserError: data is missing, or the run's directory is damaged, of another run or in use.
    """
    with joined():
        return _carry_out(plan, audience if leads() else Audience())


def _carry_out(plan: Plan, audience: Audience) -> RunResult:
    audience.planned(plan)
    if led(partial(is_finished, plan.folder)):
        from cl_bench.benchmark.opening import must_be_of, must_keep_as_begun

        led(partial(must_be_of, plan.folder, plan.config))
        led(partial(must_keep_as_begun, plan.folder, plan.keeps))
        return _read_finished(plan.folder, audience)
    for words in (*division.remarks(plan), *disk.remarks(plan)):
        audience.remark(words)
    from cl_bench.benchmark.deterministic import deterministic_kernels

    with deterministic_kernels(plan.deterministic):
        result = _learned(plan, audience)
    audience.shown(result, before=False)
    return result


def _learned(plan: Plan, audience: Audience) -> RunResult:
    """Load what the run needs, and run it."""
    at_once = division.images_at_once(plan)
    from cl_bench.experiment.assemble import assemble

    turn = in_turn() if plan.cache else nullcontext()  # the others find what the first one decoded
    with turn, audience.files() as on_progress:
        experiment = assemble(plan, on_progress)
    for words in (*experiment.stream.remarks, *slow_arithmetic(plan.config)):
        audience.remark(words)
    with audience.learning(plan) as listen:
        result = _run(experiment, listen, at_once)
        audience.learned(result)
    return result


def _run(experiment: Experiment, listen: Listener, images_at_once: int | None) -> RunResult:
    """Run it; a machine with too little memory is no fault of the program's."""
    try:
        return experiment.run(listen, images_at_once)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        from cl_bench.experiment.memory import does_not_fit

        raise does_not_fit(experiment.plan, error) from error


def _read_finished(run: Path, audience: Audience) -> RunResult:
    """Read a finished run whose files are all as they were written.

    Raises:
        UserError: something in it is damaged, or another process works on it.
    """
    from cl_bench.benchmark.opening import finished_run_alone

    result = finished_run_alone(run)
    audience.shown(result, before=True)
    return result
