"""Keeps where a task stands, beside its steps and passes: now and then, and when the run is told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import torch

from cl_bench.benchmark import mid_task
from cl_bench.benchmark.checkpoint import Snapshot
from cl_bench.benchmark.cost import Stopwatch
from cl_bench.benchmark.interval import Interval
from cl_bench.benchmark.mid_task import MidTask, Owner
from cl_bench.benchmark.pass_states import PassStates
from cl_bench.benchmark.processes.group import leads, size
from cl_bench.benchmark.processes.sums import total_of
from cl_bench.benchmark.stopping import SIGNALS, Stopping
from cl_bench.benchmark.task import Batch, Pass
from cl_bench.benchmark.train import Training

T = TypeVar("T")


class Keeper:
    """Looks after one task between its steps and in its passes; of several processes, the first one writes.

    The state is copied between two steps and written by a thread. Leaving the block waits for it.

    Before and after the steps the method works outside of what it calls its state. What is kept there is
    what the passes have added up since its last state: since the checkpoint of the task before, or with a
    copy of the state behind the last step. Whoever goes on repeats ``before_task`` or ``after_task``, but
    for what its passes had added up. Several processes keep nothing there.
    """

    def __init__(
        self,
        folder: Path,
        interval: Interval,
        owner: Owner,
        standing: Callable[[Training], MidTask],
        watch: Stopwatch,
        stopping: Stopping,
        begun: MidTask | None,
        device: torch.device,
    ) -> None:
        """Count the interval from now on.

        Args:
            folder: of the run's checkpoints.
            interval: between two states that are kept.
            owner: what a state belongs to: ``place`` is that of the task in the order, from 1.
            standing: where the task stands, its passes left out.
            watch: what its phases take.
            stopping: what the run has been told.
            begun: where it stood when it was broken off, if it was.
            device: of the method.
        """
        self._folder, self._interval, self._owner = folder, interval, owner
        self._standing, self._watch, self._stopping = standing, watch, stopping
        self._kept_at, self._kept_step, self._kept_batch = time.monotonic(), -1, 0
        self._device, self._passes_begun = device, begun.passes if begun else {}
        self._prepared = begun is not None and begun.prepared
        self._passes: PassStates | None = None  # those that follow a state; between two steps: none
        self._before: Snapshot | None = None  # that state
        self._step = 0  # of that state
        self._pool = ThreadPoolExecutor(1)
        self._written: Future[Path] | None = None

    def __enter__(self) -> Self:
        """Begin with the task."""
        if not self._prepared:
            self._passes_follow(None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Wait until nothing is being written any more; a full disk shows here at the latest."""
        self._pool.shutdown()
        if error is None and self._written is not None:
            self._written.result()

    @contextmanager
    def taking_steps(self) -> Iterator[None]:
        """While the block lasts, a run that is told to stop finishes its step first."""
        with self._stopping.after_a_step():
            yield

    def between(self, training: Training) -> None:
        """Keep the state if it is time for it.

        Raises:
            Stopped: the run was told to stop; the state is kept.
            OSError: a state could not be written.
        """
        if self._written is not None and self._written.done():
            self._written.result()
        if self._kept_step < 0:  # so many steps were done before
            self._kept_step = training.step
        self._passes = self._before = None
        if training.step == training.steps:
            self._passes_follow(training)
        told = self._stopping.told
        # Of several processes all end behind the same step, whichever of them was told to.
        stops = total_of(0 if told is None else 1) > 0
        due = stops or self._is_time(training.step - self._kept_step)
        if leads() and not self._interval.off and due:
            state = self._before or self._standing(training).snapshot(self._owner)
            self._keep(state, training.step)
            self._kept_step = training.step
        if stops:
            at = f"after step {training.step} of {training.steps}"
            raise self._stopping.stopped(told or SIGNALS[0], self._where(at))

    def added_up(self, batches: Pass, add: Callable[[T, Batch], T], total: T) -> T:
        """Add up a pass over the task's images, from where it stood if it was broken off.

        Raises:
            Stopped: the run was told to stop; the state is kept.
            OSError: a state could not be written.
        """
        self._kept_batch = done = self._passes.begin(total) if self._passes else 0
        with self.taking_steps():
            for batch in batches.behind(done):
                total, done = add(total, batch), done + 1
                self._behind_batch(total, done, len(batches))
        return total

    def _passes_follow(self, training: Training | None) -> None:
        """Take the present state for that which the next passes follow."""
        if size() > 1:
            return
        self._passes, self._passes_begun = PassStates(self._passes_begun, self._device), {}
        if training is None:
            if not self._interval.off:
                self._before = MidTask(0, {}, {}, {}).snapshot(self._owner)
        elif self._interval.nears(sum(self._watch.so_far().values())):
            self._before, self._step = self._standing(training).snapshot(self._owner), training.step

    def _behind_batch(self, total: object, done: int, batches: int) -> None:
        """Keep what has been added up if it is time for it; remember a whole pass in any case."""
        told = self._stopping.told
        keeps = told is not None or self._is_time(done - self._kept_batch)
        if self._passes and self._before:
            if keeps or done == batches:
                self._passes.take(done, total)
            if keeps:
                self._keep(self._before | self._passes.snapshot(), self._step)
                self._kept_batch = done
        if told is not None:
            at = f"in a pass, after batch {done} of {batches}"
            raise self._stopping.stopped(told, self._where(at))

    def _is_time(self, steps: int) -> bool:
        return self._interval.is_over(steps, time.monotonic() - self._kept_at)

    def _keep(self, state: Snapshot, step: int) -> None:
        """Have a state written, ``step`` steps into the task."""
        if self._written is not None:
            self._written.result()  # the one before it is whole
        place = int(self._owner["place"])
        state = state | Snapshot.of({"seconds": self._watch.so_far()})
        self._written = self._pool.submit(mid_task.write, self._folder, place, step, state)
        self._kept_at = time.monotonic()

    def _where(self, at: str) -> str:
        """In words, what is kept of a task that is broken off."""
        at = f"task {self._owner['task']} is broken off {at}"
        if self._written is None:
            why = " (--checkpoint-every off)" if self._interval.off else ""
            return f"{at}, and nothing of it is kept{why}"
        return f"{at}, kept in {self._written.result()}"
