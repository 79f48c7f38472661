"""What a run claims of the state that it began with, held against the run that wrote it."""

from __future__ import annotations

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.claims import NotCheckable
from cl_bench.cli.verify.installed import choices_of_run
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.places import found_again
from cl_bench.experiment.start import find_start


def prove(run: RunResult) -> str:
    """Find the run again and compare digest, place and checkpoint; returns what was found.

    Raises:
        NotCheckable: it is not here, or does not have the checkpoint any more.
        UserError: it is another run or checkpoint, or the record names none.
    """
    said = choices_of_run(run)
    if said.start_from is None:
        raise UserError("config.json names a state at the start, and no option --start-from")
    lean = Choices(start_from=said.start_from, relative=said.relative)
    try:
        there = next(iter(found_again(lean, run.path, {})))
        found = find_start(str(there.start_from)).start
    except UserError as reason:
        raise NotCheckable(f"the state that it began with is not here: {reason}") from reason
    if found != run.config.start:
        raise UserError(f"{there.start_from} is not the state that the run began with")
    return f"{there.start_from} holds the recorded run and checkpoint"
