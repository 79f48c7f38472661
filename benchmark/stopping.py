"""A run that is told to stop: it finishes its step, keeps where it stands, and says how to go on. No torch."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from cl_bench.benchmark.processes import group

STOPPED = (
    75  # exit code: told to stop, goes on when it is started again (EX_TEMPFAIL of sysexits.h)
)
# Ctrl-C; the end of a job; what SLURM and submitit send ahead of preemption or the end of a job's time.
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class Stopped(KeyboardInterrupt):
    """A run was told to stop and has stopped; says in one line where it stands."""


class Stopping:
    """What a run has been told by signals.

    Attributes:
        told: the signal that told it to stop; ``None``: go on.
    """

    def __init__(self, run: Path) -> None:
        """Hear nothing yet; ``run`` is the run's directory, for what is said."""
        self.told: signal.Signals | None = None
        self._run, self._waits = run, False

    @contextmanager
    def heard(self) -> Iterator[None]:
        """Hear signals while the block lasts, if this is the thread that gets them."""
        with ExitStack() as restored:
            if threading.current_thread() is threading.main_thread():
                for number in SIGNALS:
                    restored.callback(signal.signal, number, signal.signal(number, self._hear))
            yield

    @contextmanager
    def after_a_step(self) -> Iterator[None]:
        """Within the block whoever takes the steps looks at ``told``; elsewhere a run stops at once."""
        self._waits = True
        try:
            yield
        finally:
            self._waits = False
        if self.told:  # behind the last step
            raise self.stopped(self.told, "what was kept is whole")

    def stopped(self, by: signal.Signals, words: str) -> Stopped:
        """What to raise.

        Args:
            by: the signal.
            words: what is kept.
        """
        return Stopped(
            f"stopped by {by.name}: {words}; the same command, or `cl-bench resume {self._run}`, goes on"
        )

    def _hear(self, number: int, frame: object) -> None:
        again, by = self.told is not None, signal.Signals(number)
        if again and by is not signal.SIGINT:
            return  # it is stopping
        self.told = by
        if again:
            raise KeyboardInterrupt  # Ctrl-C a second time: at once
        if not self._waits:
            # The launcher's, as another process has ended: that one is asked for the reason.
            others = group.size() > 1 and by is signal.SIGTERM
            raise group.lost() if others else self.stopped(by, "what was kept is whole")
