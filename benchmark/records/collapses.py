"""Which accuracies collapsed with a task, from the predictions that a run's directory holds. No torch."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.benchmark.collapse import Standing, collapses, standings
from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.arrays_file import read_arrays
from cl_bench.benchmark.records.events import Collapsed, Event, Started, those
from cl_bench.benchmark.records.run_folder import RunFolder

SINCE = 4  # version of logs


def collapses_of(folder: RunFolder, config: RunConfig, learned: int) -> tuple[Collapsed, ...]:
    """What the ``learned``-th task did, by the rows of the run so far; nothing before the first.

    A bound that never left zero-shot learned nothing that could collapse.

    Raises:
        UserError: predictions are missing or damaged.
    """
    if learned == 0:
        return ()
    if config.bound and _predicted(folder, learned) == _predicted(folder, 0):
        return ()
    now, before, first = (_row(folder, config, row) for row in (learned, learned - 1, 0))
    at_once = "all tasks" in config.extra_data
    return tuple(collapses(learned, config.tasks, (now, before, first), at_once))


def must_follow(folder: RunFolder, config: RunConfig, events: Sequence[Event], rows: int) -> None:
    """Raise where the log says other collapses than follow from the predictions of ``rows`` tasks' rows.

    Logs from before collapses were said have none.

    Raises:
        UserError: the two differ, or predictions are missing or damaged.
    """
    if isinstance(events[0], Started) and events[0].schema_version < SINCE:
        return
    follow = [c for learned in range(1, rows + 1) for c in collapses_of(folder, config, learned)]
    logged = [c for c in those(events, Collapsed) if c.learned <= rows]
    if [c.model_copy(update={"time": 0.0}) for c in logged] != follow:
        raise UserError("the collapses in the log are not those that follow from the predictions")


def _predicted(folder: RunFolder, row: int) -> dict[str, bytes]:
    return {task: of.tobytes() for task, of in read_arrays(folder.predictions(row)).items()}


def _row(folder: RunFolder, config: RunConfig, row: int) -> dict[str, Standing]:
    """Where every task and held-out set stands after ``row`` tasks."""
    found = standings(read_arrays(folder.predictions(row)), read_arrays(folder.targets))
    if config.held_out:
        true = read_arrays(folder.held_out_targets)
        found |= standings(read_arrays(folder.held_out(row)), true)
    return found
