"""One process at a time: a lock that says who holds it, and that no dead process holds. No torch.

The system's lock lets go when its process dies, however it dies. Some shared disks keep it on each
machine by itself, where it would let in a second machine. So the holder writes its name into the lock's
file and gives a sign of life there again and again. Who finds the name of another machine looks for the
next sign before it goes on; no two clocks are compared.
"""

from __future__ import annotations

import errno
import logging
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path

import filelock

from cl_bench.benchmark.errors import UserError

BEAT = 15.0  # seconds between two signs of life
SILENCE = 90.0  # without one for so long a process of another machine is dead
LOOK = 1.0  # seconds between two looks at a sign of life
LOG = logging.getLogger(__name__)


@contextmanager
def held(lock: Path, what: str, *, waits: bool = False) -> Iterator[None]:
    """Hold ``lock`` while the block runs.

    Args:
        lock: its file, in a folder that is there; it stays, empty.
        what: is held, for messages.
        waits: until another process that holds it lets go, and says so; else it is refused.

    Raises:
        UserError: another living process holds it and ``waits`` is not set.
        OSError: the file cannot be written or locked; names it.
    """
    file = filelock.FileLock(lock)
    try:
        _acquire(file, lock, what, waits)
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, f"it cannot be locked: {os.strerror(number)}", str(lock)) from error
    try:
        _must_be_alone(lock, what, waits)
        with _signs_of_life(lock):
            yield
    finally:
        file.release()


def _acquire(file: filelock.BaseFileLock, lock: Path, what: str, waits: bool) -> None:
    try:
        file.acquire(timeout=0)
    except filelock.Timeout as error:
        if not waits:
            raise _in_use(lock, what) from error
        LOG.warning("%s is in use by %s; waiting for it", what, _holder(lock))
        file.acquire()


def _in_use(lock: Path, what: str) -> UserError:
    return UserError(f"{what} is in use by {_holder(lock)} that is running")


def _holder(lock: Path) -> str:
    host, _, number = _sign(lock).partition(" ")
    named = f" ({int(number.split()[0])} on {host})" if re.fullmatch(r"\d+ \d+", number) else ""
    return f"another process{named}"


def _sign(lock: Path) -> str:
    """Who held the lock last, and its last sign of life; empty where it let go."""
    return lock.read_text(errors="replace").strip()


def _must_be_alone(lock: Path, what: str, waits: bool) -> None:
    """Look for signs of life of another machine whose process did not let go."""
    seen = _sign(lock)
    if not seen or seen.partition(" ")[0] == socket.gethostname():
        return  # of this machine's processes, the system's own lock knows who lives
    LOG.warning("%s was held by %s; looking for a sign of life", what, _holder(lock))
    last = time.monotonic()
    while time.monotonic() < last + SILENCE:
        time.sleep(LOOK)
        if not (now := _sign(lock)):
            return
        if now != seen and not waits:
            raise _in_use(lock, what)
        if now != seen:
            seen, last = now, time.monotonic()


@contextmanager
def _signs_of_life(lock: Path) -> Iterator[None]:
    """Write who holds the lock, anew every ``BEAT`` seconds; nobody once it is over."""
    over = threading.Event()
    numbers = count()

    def beat() -> None:
        while not over.wait(BEAT):
            _write(lock, next(numbers))

    _write(lock, next(numbers))
    beats = threading.Thread(target=beat, daemon=True)
    beats.start()
    try:
        yield
    finally:
        over.set()
        beats.join()
        with suppress(OSError):
            os.truncate(lock, 0)


def _write(lock: Path, number: int) -> None:
    """A sign of life in the place of the one before, which is as long; a full disk does not matter."""
    text = f"{socket.gethostname()} {os.getpid():010d} {number:010d}\n"
    with suppress(OSError):
        place = os.open(lock, os.O_WRONLY)
        try:
            os.pwrite(place, text.encode(), 0)
        finally:
            os.close(place)
