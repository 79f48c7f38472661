"""A run watched while it runs: a thread reads its log and feeds sinks; the run knows nothing of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cl_bench.benchmark.record import read_config
from cl_bench.reports.sinks.points import points
from cl_bench.reports.sinks.sink import Sink, finished, whole_lines

PAUSE = 2.0  # seconds between two looks at the log
PATIENCE = 60.0  # seconds that a finished run waits for a slow sink


@contextmanager
def following(
    path: Path, sinks: Sequence[Sink], complain: Callable[[str], None]
) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Feed ``sinks`` from the log of the run in ``path`` for as long as the block lasts.

    Each has a thread of its own. What goes wrong there is said once, and the run goes on.

    Args:
        path: the run's directory, which may not exist yet.
        sinks: fresh ones.
        complain: takes a line of words.

    Yields:
        What to tell of the run's events. The log is read once the run says that it began or goes
        on: before, its files are not all there, or it may still cut its log back to its last row.
    """
    begun, over = threading.Event(), threading.Event()
    threads = [
        threading.Thread(target=_follow, args=(path, sink, begun, over, complain), daemon=True)
        for sink in sinks
    ]
    for thread in threads:
        thread.start()
    try:
        yield lambda event: None if event["event"] == "started" else begun.set()
    finally:
        over.set()
        for thread, sink in zip(threads, sinks, strict=True):
            thread.join(PATIENCE)
            if thread.is_alive():
                complain(
                    f"{sink} did not end within {PATIENCE:.0f} s; `cl-bench sync` sends the rest"
                )


def _follow(
    path: Path,
    sink: Sink,
    begun: threading.Event,
    over: threading.Event,
    complain: Callable[[str], None],
) -> None:
    try:
        while not begun.wait(PAUSE):
            if over.is_set():
                return
        config = read_config(path)
        known = sink.begin(path)
        for number, point in enumerate(points(config, _tail(path / "events.jsonl", over))):
            if number >= known:
                sink.write(number, point)
        sink.end(finished(path))
    except Exception as error:  # whatever a client of the network raises, training goes on
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        complain(f"{sink}: {reason}. The run goes on; `cl-bench sync {path}` sends it later")


def _tail(log: Path, over: threading.Event) -> Iterator[dict[str, Any]]:
    """The log's events as they are written, until it is over and everything was read."""
    place = 0
    while True:
        last = over.is_set()
        lines, place = whole_lines(log, place)
        yield from map(json.loads, lines)
        if last:
            return
        over.wait(PAUSE)
