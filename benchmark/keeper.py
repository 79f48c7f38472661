"""Keeps where a task stands, beside its training: now and then, and when the run is told to stop."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from cl_bench.benchmark import mid_task
from cl_bench.benchmark.interval import Interval
from cl_bench.benchmark.mid_task import MidTask, Owner
from cl_bench.benchmark.processes.group import leads
from cl_bench.benchmark.processes.sums import total_of
from cl_bench.benchmark.stopping import SIGNALS, Stopping
from cl_bench.benchmark.train import Training


class Keeper:
    """Looks after one task between its steps; of several processes, the first one writes.

    The state is copied between two steps and written by a thread. Leaving the block waits for it.
    """

    def __init__(
        self,
        folder: Path,
        interval: Interval,
        owner: Owner,
        standing: Callable[[Training], MidTask],
        stopping: Stopping,
    ) -> None:
        """Count the interval from now on.

        Args:
            folder: of the run's checkpoints.
            interval: between two states that are kept.
            owner: what a state belongs to: ``place`` is that of the task in the order, from 1.
            standing: where the task stands.
            stopping: what the run has been told.
        """
        self._folder, self._interval, self._owner = folder, interval, owner
        self._standing, self._stopping = standing, stopping
        self._kept_at, self._kept_step = time.monotonic(), -1
        self._pool = ThreadPoolExecutor(1)
        self._written: Future[Path] | None = None

    def __enter__(self) -> Self:
        """Begin with training."""
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
        told = self._stopping.told
        # Of several processes all end behind the same step, whichever of them was told to.
        stops = total_of(0 if told is None else 1) > 0
        if leads() and not self._interval.off and (stops or self._is_time(training.step)):
            self._keep(training)
        if stops:
            raise self._stopping.stopped(told or SIGNALS[0], self._where(training))

    def _is_time(self, step: int) -> bool:
        return self._interval.is_over(step - self._kept_step, time.monotonic() - self._kept_at)

    def _keep(self, training: Training) -> None:
        """Copy the state, and have it written."""
        snapshot = self._standing(training).snapshot(self._owner)
        if self._written is not None:
            self._written.result()  # the one before it is whole
        place, step = int(self._owner["place"]), training.step
        self._written = self._pool.submit(mid_task.write, self._folder, place, step, snapshot)
        self._kept_at, self._kept_step = time.monotonic(), step

    def _where(self, training: Training) -> str:
        """In words, what is kept of a task that is broken off."""
        at = f"task {self._owner['task']} is broken off after step {training.step} of {training.steps}"
        if self._written is None:
            return f"{at}, and nothing of it is kept (--checkpoint-every off)"
        return f"{at}, kept in {self._written.result()}"
