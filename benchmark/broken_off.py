"""Which state a run that was broken off within a task goes on from: the latest that fits, or none."""

from __future__ import annotations

from cl_bench.benchmark import mid_task
from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.mid_task import MidTask, Owner
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.records.circumstances import digest_of_code
from cl_bench.benchmark.records.events import Step, those
from cl_bench.benchmark.records.order import must_be_in_order
from cl_bench.benchmark.records.run_log import lines_until
from cl_bench.benchmark.train import reported


def owner(config: RunConfig, place: int) -> Owner:
    """What a state within a task belongs to; another one's would be a wrong result without a word.

    Args:
        config: of the run.
        place: of the task in its order, from 1.
    """
    return {
        "run": config.digest(),
        "task": config.tasks[place - 1],
        "place": place,
        "code": digest_of_code(),
        "device": config.device.partition(":")[0],
    }


def standing(
    folder: RunFolder, config: RunConfig, learned: int
) -> tuple[MidTask | None, str | None]:
    """Where a run stands within its next task.

    Args:
        folder: of the run; its log is whole up to the last row.
        config: of the run.
        learned: tasks that have a row; below 0: not even the zero-shot row is there.

    Returns:
        The latest state that fits, and in one line why a later one does not.
    """
    if not 0 <= learned < len(config.tasks):
        return None, None  # what is kept is of a task that is learned
    expected, reasons = owner(config, learned + 1), list[str]()
    for path in mid_task.kept(folder.checkpoints):
        if path.name.startswith(f"within-{learned:02d}-"):
            continue  # a kill came before it was dropped
        try:
            found = mid_task.read(path, expected)
            _must_fit(folder, config, learned, found)
            return found, "; ".join(reasons) or None
        except UserError as error:
            reasons.append(str(error))
    return None, "; ".join(reasons) or None


def _must_fit(folder: RunFolder, config: RunConfig, learned: int, found: MidTask) -> None:
    """Raise where the log does not hold all that was said of the steps that are done."""
    events = [event for _, event in lines_until(folder.events, learned, found.step)]
    must_be_in_order(folder.events, events, config.tasks)
    task = config.tasks[learned]
    said = [step.step for step in those(events, Step) if step.task == task]
    if said != reported(found.step, config.budget.steps[task]):
        raise UserError(f"{folder.events} lacks steps that were done when a state was kept")
