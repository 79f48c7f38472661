"""A run watched while it runs: processes read its log and feed sinks; the run knows nothing of them.

They are processes and no threads: a client of the network that waits, retries for hours, or keeps its
process from ending, does so to itself.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event as Signal
from pathlib import Path

from cl_bench.benchmark.errors import in_one_line
from cl_bench.benchmark.records.events import Event, Started
from cl_bench.benchmark.records.run_log import event_in
from cl_bench.benchmark.records.secrets import without_secrets
from cl_bench.reports.sinks.sink import Sink, feed

PAUSE = 2.0  # seconds between two looks at the log
PATIENCE = 60.0  # seconds that a finished run waits for a slow sink
GRACE = 5.0  # seconds that a sink's process has for its own end, once it has said its word


@contextmanager
def following(
    path: Path, sinks: Sequence[Sink], complain: Callable[[str], None]
) -> Iterator[Callable[[Event], None]]:
    """Feed ``sinks`` from the log of the run in ``path`` for as long as the block lasts.

    Each has a process of its own. What goes wrong there is said once, and the run goes on.

    Args:
        path: the run's directory, which may not exist yet.
        sinks: fresh ones; they are pickled.
        complain: takes a line of words.

    Yields:
        What to tell of the run's events. The log is read once the run says that it began or goes
        on: before, its files are not all there, or it may still cut its log back to its last row.
    """
    if not sinks:
        yield lambda event: None
        return
    followers = [_Follower(path, sink, complain) for sink in sinks]

    def tell(event: Event) -> None:
        for follower in followers:
            follower.hear(begun=not isinstance(event, Started))

    try:
        yield tell
    finally:
        for follower in followers:
            follower.over.set()
        for follower in followers:
            follower.end()


class _Follower:
    """The process of one sink, seen from the run's.

    It says one thing over its pipe: what went wrong, or ``None`` once it has done all.
    """

    def __init__(self, path: Path, sink: Sink, complain: Callable[[str], None]) -> None:
        context = get_context("spawn")
        self.over = context.Event()
        self._begun, self._sink, self._complain = context.Event(), sink, complain
        self._words, words = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_follow, args=(path, sink, self._begun, self.over, words, PAUSE), daemon=True
        )
        self._process.start()
        words.close()  # this end of it is the other process's alone
        self._heard = False

    def hear(self, begun: bool) -> None:
        """Let it know that the run began, and pass on what it has to say."""
        if begun:
            self._begun.set()
        if self._heard or not self._words.poll():
            return
        self._heard = True
        try:
            words = self._words.recv()
        except EOFError:
            words = f"{self._sink} broke off. The run goes on; `cl-bench sync` sends it later"
        if words is not None:
            self._complain(words)

    def end(self) -> None:
        """Wait for it, but not for ever."""
        if not self._heard and not self._words.poll(PATIENCE):
            self._complain(
                f"{self._sink} did not end within {PATIENCE:.0f} s; `cl-bench sync` sends the rest"
            )
        else:
            self.hear(begun=False)
            self._process.join(GRACE)
        self._process.kill()
        self._words.close()


def _follow(
    path: Path, sink: Sink, begun: Signal, over: Signal, words: Connection, pause: float
) -> None:
    """The other process: read, send, and say what went wrong, in one line and no other way."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the run's; its end ends this, too
    sys.argv[:] = without_secrets(sys.argv)  # W&B's client sends the command of its process
    _say_nothing()
    try:
        while not begun.wait(pause):
            if _ended(over):
                words.send(None)
                return
        feed(path, _tail(path / "events.jsonl", over, pause), sink)
        words.send(None)
    except Exception as error:  # whatever a client of the network raises, training goes on
        reason = in_one_line(error)
        words.send(f"{sink}: {reason}. The run goes on; `cl-bench sync {path}` sends it later")


def _say_nothing() -> None:
    """Close this process's screen to it, to its threads at its end, and to what it starts."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for screen in (1, 2):
        os.dup2(nowhere, screen)


def _ended(over: Signal) -> bool:
    """Whether the run has ended, or its process was killed."""
    run = parent_process()
    return over.is_set() or run is None or not run.is_alive()


def _tail(log: Path, over: Signal, pause: float) -> Iterator[Event]:
    """The log's events as they are written, until it is over and everything was read."""
    place = count = 0
    while True:
        last = _ended(over)
        lines, place = _whole_lines(log, place)
        for line in lines:
            count += 1
            yield event_in(log, count, line)
        if last:
            return
        over.wait(pause)


def _whole_lines(log: Path, start: int) -> tuple[list[bytes], int]:
    """The log's complete lines from byte ``start`` on, and where they end."""
    with log.open("rb") as file:
        file.seek(start)
        content = file.read()
    content = content[: content.rfind(b"\n") + 1]  # a line that is being written waits
    return content.splitlines(), start + len(content)
