"""Who hears of a run, from its plan to its result. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.events import Event, Listener
from cl_bench.datasets.progress import ProgressCallback, silent
from cl_bench.experiment.resolve import Plan


def ignore(event: Event) -> None:
    """Listen to nothing."""


class Audience:
    """Hears of a run in the order of these methods; this one hears of its events alone.

    Args:
        listen: receives every event of the run as it is logged.
    """

    def __init__(self, listen: Listener = ignore) -> None:
        self._listen = listen

    def planned(self, plan: Plan) -> None:
        """Everything is decided, nothing is done."""

    @contextmanager
    def files(self) -> Iterator[ProgressCallback]:
        """Lasts while images are decoded; yields what hears of that."""
        yield silent

    def remark(self, words: str) -> None:
        """Who reads the results or waits for them must know this; said before anything is learned."""

    @contextmanager
    def learning(self, plan: Plan) -> Iterator[Listener]:
        """Lasts while tasks are learned; yields what hears of every event."""
        yield self._listen

    def learned(self, result: RunResult) -> None:
        """The run is finished; ``learning`` still lasts."""

    def shown(self, result: RunResult, before: bool) -> None:
        """The result is there.

        Args:
            result: of the run.
            before: whether the run was finished already, and nothing was done.
        """
