"""In which order events may stand in a log: each task once, in the order of the run. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from cl_bench.benchmark.records.events import (
    Collapsed,
    Evaluated,
    Event,
    Finished,
    Learned,
    Logged,
    Resumed,
    Saved,
    Started,
    Step,
)
from cl_bench.benchmark.records.run_log import NoEventError

# What may stand behind an event. A resumed run's log was cut back to its last row, to a step behind it, or
# to its beginning.
FOLLOWS: dict[type[Logged], tuple[type[Logged], ...]] = {
    Started: (Resumed, Evaluated),
    Resumed: (Resumed, Evaluated, Step, Learned, Finished),
    Step: (Resumed, Step, Learned),
    Learned: (Saved,),
    Saved: (Collapsed, Evaluated),
    Collapsed: (Collapsed, Evaluated),
    Evaluated: (Resumed, Step, Learned, Finished),
    Finished: (),
}


def must_be_in_order(log: Path, events: Sequence[Event], tasks: Sequence[str]) -> None:
    """Raise where an event stands at a place where no run writes it.

    A task that stood twice in the log would be counted twice, an event of another task as this one's.

    Args:
        log: the file, for the message.
        events: from its first line on.
        tasks: of the run, in order.

    Raises:
        NoEventError: names the first line that is out of order.
    """
    if events and not isinstance(events[0], Started):
        raise NoEventError(f"line 1 of {log} is damaged: {events[0].event!r} begins no log")
    rows = 0  # of the matrix so far, the zero-shot one included
    done = 0  # steps of the task that is next
    for number, (before, event) in enumerate(pairwise(events), start=2):
        may_follow = isinstance(event, FOLLOWS[type(before)]) and not _goes_back(done, event)
        if not (may_follow and _fits(event, rows, tasks)):
            raise NoEventError(
                f"line {number} of {log} is damaged: {event.event!r} of "
                f"{_subject(event)} cannot follow on {rows} rows and {before.event!r}"
            )
        rows += isinstance(event, Evaluated)
        done = _steps_done(event, done)


def _fits(event: Event, rows: int, tasks: Sequence[str]) -> bool:
    """Whether an event is of the task that comes after so many rows."""
    match event:
        case Step():
            return 1 <= rows <= len(tasks) and event.task == tasks[rows - 1]
        case Learned():
            return event.learned == rows <= len(tasks) and event.task == tasks[rows - 1]
        case Saved() | Collapsed():
            return event.learned == rows
        case Evaluated():
            return event.learned == rows and tuple(event.accuracies) == tuple(tasks)
        case Resumed():
            return event.learned == max(rows - 1, 0) and (rows > 0 or event.steps_done is None)
        case Finished():
            return rows == len(tasks) + 1
        case Started():
            return rows == 0


def _goes_back(done: int, event: Event) -> bool:
    """Whether an event repeats some of the steps that are done, or leaves out that they were."""
    if isinstance(event, Resumed):
        return (event.steps_done or 0) < done
    return isinstance(event, Step) and event.step <= done


def _steps_done(event: Event, before: int) -> int:
    """How many steps of the task that is next are done after an event."""
    match event:
        case Step():
            return event.step
        case Resumed():
            return event.steps_done or 0
        case Evaluated():
            return 0
        case _:
            return before


def _subject(event: Event) -> str:
    """What an event is about, in words."""
    if isinstance(event, Step | Learned):
        return f"task {event.task}"
    if isinstance(event, Resumed | Saved | Collapsed | Evaluated):
        return f"{event.learned} learned tasks"
    return "the run"
