"""Runs that are killed at a place in a task, in the tests' own process, and what must be equal afterwards."""

from __future__ import annotations

import atexit
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
from small_run import fresh, small_plan, small_run

from cl_bench.benchmark.keeper import Keeper
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.records.events import Evaluated, Event, Learned, Saved, Step, those
from cl_bench.benchmark.train import Training
from cl_bench.experiment.resolve import Plan

TIMES = {
    "time",
    "seconds",
    "peak_memory",
    "matrix_gflops",
}  # of events; they differ from run to run


# Method -> passes over the images of a task, before or after its steps; the others make none.
PASSES = {
    "condu": 1, "condu-lora": 1, "diki": 1, "gpm": 1, "iap": 1, "inflora": 2, "keeplora": 2, "keeplora+": 3,
    "keeplora++": 2, "keeplora-kd": 2, "lada": 1, "rail": 1, "rail-dual": 1,
}  # fmt: skip
FEW = ("steps=13", "batch_size=4")  # a line of the log after ten steps, and one after the last


@cache
def undisturbed_run(name: str, overrides: tuple[str, ...] = ()) -> RunResult:
    """Two tasks, learned once for the tests that compare with it; it makes the passes that it should."""
    folder, passes = tempfile.TemporaryDirectory(), list[int]()
    atexit.register(folder.cleanup)
    with watched_batches(lambda of, done, batches: passes.append(done == batches)):
        run = small_run(small_plan(name, overrides=overrides), Path(folder.name))
    assert sum(passes) == 2 * PASSES.get(name, 0), f"{name}: correct the table PASSES"
    return run


@contextmanager
def watched_batches(see: Callable[[Keeper, int, int], object]) -> Iterator[None]:
    """Call ``see(keeper, done, batches)`` behind every batch of a pass, before anything is kept of it."""
    behind_batch = Keeper._behind_batch

    def behind(of: Keeper, total: object, done: int, batches: int) -> None:
        see(of, done, batches)
        behind_batch(of, total, done, batches)

    with mock.patch.object(Keeper, "_behind_batch", behind):
        yield


class Killed(BaseException):
    """Stands for a kill: nothing in the runner may catch it."""


@contextmanager
def killed_in_step(task: int, step: int) -> Iterator[None]:
    """Kill within a step, the ``task``-th of the tasks that this process trains and ``step`` from 1 on."""
    take_step, seen = Training.take_step, list[Training]()

    def take(training: Training) -> None:
        if training not in seen:
            seen.append(training)
        if (len(seen), training.step + 1) == (task, step):
            raise Killed
        take_step(training)

    with mock.patch.object(Training, "take_step", take), pytest.raises(Killed):
        yield


class Counted:
    """A factory whose methods note how often a phase was entered, and may be killed in one.

    Attributes:
        calls: names of the phases, in the order in which they were entered.
    """

    def __init__(self, plan: Plan, killed_in: str | None = None, at: int = 1) -> None:
        """Make methods of ``plan``; the ``at``-th entry of phase ``killed_in`` kills."""
        self.calls: list[str] = []
        self._plan, self._killed_in, self._at = plan, killed_in, at

    def __call__(self) -> Method:
        method = fresh(self._plan)
        for phase in ("before_task", "continue_task", "after_task"):
            setattr(method, phase, self._watched(phase, getattr(method, phase)))
        return method

    def _watched(self, phase: str, work: Any) -> Any:
        def entered(task: Any) -> None:
            self.calls.append(phase)
            work(task)
            if phase == self._killed_in and self.calls.count(phase) == self._at:
                raise Killed

        return entered


def killed_in_phase(plan: Plan, path: Path, phase: str, at: int = 1, **how: Any) -> None:
    """Run until a phase has done its work for the ``at``-th time, and kill before anything is made of it."""
    with pytest.raises(Killed):
        small_run(plan, path, Counted(plan, phase, at), **how)


def numbers(events: list[Event]) -> list[dict[str, Any]]:
    """What the log says of learning, but for times."""
    kinds = (Step, Learned, Saved, Evaluated)
    return [e.model_dump(exclude=TIMES) for e in events if isinstance(e, kinds)]


def must_be_the_same(run: RunResult, undisturbed: RunResult) -> None:
    """Matrix, predictions, the last state and the log's numbers, bit for bit; and nothing is left over."""
    assert run.finished and run.matrix == undisturbed.matrix
    learned = len(run.config.tasks)
    for row in range(learned + 1):
        expected = undisturbed.predictions(row)
        for task, found in run.predictions(row).items():
            assert np.array_equal(found, expected[task]), (row, task)
    files = [RunFolder(r.path).checkpoint(learned).read_bytes() for r in (run, undisturbed)]
    assert files[0] == files[1]
    assert numbers(run.events) == numbers(undisturbed.events)
    names = [{f.name for f in (r.path / "checkpoints").iterdir()} for r in (run, undisturbed)]
    assert names[0] == names[1], "nothing of a task that is learned is left"


def seconds_of(run: RunResult, task: int) -> dict[str, float]:
    """What the phases of a task took, by the log."""
    return dict(those(run.events, Learned)[task - 1].seconds)
