"""Who calls from Python: sees progress, is warned of what a reader of the results must know."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.events import Listener
from cl_bench.experiment.audience import Audience, ignore
from cl_bench.experiment.resolve import Plan

OURS = str(Path(__file__).parents[1])


class RunWarning(UserWarning):
    """A reader of a run's results must know this of its data or method."""


class Caller(Audience):
    """Warns of every remark once; shows progress as the command line does where nobody listens.

    Args:
        listen: of the caller, if any.
    """

    def __init__(self, listen: Listener | None) -> None:
        super().__init__(listen or ignore)
        self._shows, self._said = listen is None, set[str]()

    def planned(self, plan: Plan) -> None:
        """Warn of what is known before any data is read."""
        for words in plan.config.beware:
            self.remark(words)

    def remark(self, words: str) -> None:
        """Warn, at the line outside of this package that started the run."""
        if words not in self._said:
            self._said.add(words)
            warnings.warn(words, RunWarning, stacklevel=_levels_to_the_caller())

    @contextmanager
    def learning(self, plan: Plan) -> Iterator[Listener]:
        """Show progress, or let the caller listen."""
        if not self._shows:
            yield self._listen
            return
        from cl_bench.cli.console import console
        from cl_bench.cli.progress import shown

        with shown(console, plan.config) as show:
            yield show

    def shown(self, result: RunResult, before: bool) -> None:
        """Warn of what the record holds, too: nothing was said of a run that was finished before."""
        for words in (*result.config.beware, *result.remarks):
            self.remark(words)


def _levels_to_the_caller() -> int:
    """How many calls above the one who asks the first line outside of this package is."""
    levels, frame = 0, inspect.currentframe()
    while frame is not None and frame.f_code.co_filename.startswith(OURS):
        levels, frame = levels + 1, frame.f_back
    return levels
