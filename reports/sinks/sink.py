"""Where a run's numbers are sent: one small interface, fed from the run's own log.

``events.jsonl`` is the truth. A sink gets all points of a run in their order, each with its number, and
leaves out those that its dashboard has: so a run that was killed and resumed is one run there, without a
gap and without a double point.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from cl_bench.benchmark.record import RunResult, read_config, read_run
from cl_bench.benchmark.records.events import Event
from cl_bench.benchmark.records.run_log import read_log
from cl_bench.reports.sinks.points import Point, points


class Sink(Protocol):
    """A dashboard of one run."""

    def begin(self, path: Path) -> None:
        """Open the dashboard of the run in ``path``."""
        ...

    def write(self, number: int, point: Point) -> None:
        """Take point ``number`` (0, 1, ...) of the run, unless it is there."""
        ...

    def end(self, result: RunResult | None) -> None:
        """Close it; ``result`` once the run has finished."""
        ...


def replay(path: Path, sink: Sink) -> None:
    """Send a run to a sink, from its log.

    Args:
        path: the run's directory.
        sink: a fresh one.

    Raises:
        UserError: the directory is no run, or its log is damaged.
    """
    feed(path, read_log(path / "events.jsonl"), sink)


def feed(path: Path, events: Iterable[Event], sink: Sink) -> None:
    """Send what ``events``, the log of the run in ``path``, say to ``sink``, from begin to end."""
    config = read_config(path)
    sink.begin(path)
    for number, point in enumerate(points(config, events)):
        sink.write(number, point)
    sink.end(finished(path))


def finished(path: Path) -> RunResult | None:
    """The run's result, if it has ended well."""
    if not (path / "matrix.csv").exists():
        return None
    result = read_run(path)
    return result if result.finished else None
