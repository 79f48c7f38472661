"""What a long run was after each of its tasks: accuracies so far, seconds, bytes, protected dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

from scipy.stats import linregress
from scipy.stats import t as student

from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.events import Learned, Saved, those
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.metrics import METRICS
from cl_bench.reports.runs.occupancy import occupancy_of
from cl_bench.reports.runs.row import Row

LONG = 20  # tasks; below, the pictures and tables of every report show each of them
Curve = list[float]  # one number after every task


@dataclass(frozen=True)
class Quantity:
    """Something that is followed over the tasks.

    Attributes:
        title: of its column, with its unit.
        of: reads it after every task of a run; empty where the run does not hold it.
        digits: behind the point.
        grows: whether its growth per task is looked at.
    """

    title: str
    of: Callable[[RunResult], Curve]
    digits: int = 1
    grows: bool = False


def _so_far(metric: str) -> Callable[[RunResult], Curve]:
    def read(run: RunResult) -> Curve:
        tasks = range(1, len(run.matrix.rows) + 1)
        return [run.matrix.after(learned).so_far()[metric] for learned in tasks]

    return read


def _of_every_task(run: RunResult, values: Sequence[float | None]) -> Curve:
    """The values, if the log holds one of every task."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) == len(run.matrix.tasks) else []


def _seconds(run: RunResult) -> Curve:
    learned = those(run.known_events, Learned)
    return _of_every_task(run, [sum(event.seconds.values()) for event in learned])


def _memory(run: RunResult) -> Curve:
    """The GPU's, of a run without one the process's."""
    peaks = [event.peak_memory for event in those(run.known_events, Learned)]
    where = "gpu" if any("gpu" in peak for peak in peaks) else "process"
    return _of_every_task(run, [peak[where] / 2**30 if where in peak else None for peak in peaks])


def _checkpoint(run: RunResult) -> Curve:
    return _of_every_task(run, [event.bytes / 2**20 for event in those(run.known_events, Saved)])


def _protected(tower: str) -> Callable[[RunResult], Curve]:
    """The mean over the blocks of a tower, which have equally many matrices."""

    def read(run: RunResult) -> Curve:
        blocks = occupancy_of(run).get(tower, {}).values()
        return [fmean(of) for of in zip(*blocks, strict=True)]

    return read


QUANTITIES = {
    "transfer": Quantity("Transfer", _so_far("transfer")),
    "last": Quantity("Last", _so_far("last")),
    "seconds": Quantity("Seconds a task", _seconds, grows=True),
    "memory": Quantity("Memory (GiB)", _memory, 2, grows=True),
    "checkpoint": Quantity("Checkpoint (MiB)", _checkpoint, 2, grows=True),
    "protected_vision": Quantity("Protected, vision", _protected("v")),
    "protected_text": Quantity("Protected, text", _protected("t")),
}


def is_long(group: Group) -> bool:
    """Whether the runs of a group are followed along their tasks."""
    return len(group.config.tasks) >= LONG


def along(row: Row, name: str) -> Curve:
    """One of ``QUANTITIES`` after every task, the mean over seeds; empty where one of them does not hold it.

    A metric that the row does not have at the end, as Transfer of a model that saw all tasks, is not there before.
    """
    if name in METRICS and not row.values(name):
        return []
    curves = [QUANTITIES[name].of(run) for run in row.runs]
    if not all(curves):
        return []
    return [fmean(of) for of in zip(*curves, strict=True)]


def growth(curve: Curve) -> tuple[float, float]:
    """Growth per task by a straight line through all values but the first, and half of its 95 % interval."""
    values = curve[1:]
    if len(set(values)) == 1:
        return 0.0, 0.0
    line = linregress(range(len(values)), values)
    return float(line.slope), float(line.stderr * student.ppf(0.975, len(values) - 2))


def marks(tasks: int) -> list[int]:
    """After how many tasks a table shows a row: the first, the last, and about ten between, equally far apart."""
    every = max(1, round(tasks / 11))
    return [1, *(n for n in range(every, tasks, every) if n > 1 and tasks - n > every / 2), tasks]
