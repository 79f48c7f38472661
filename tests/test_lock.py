"""Two at once: the second waits or is refused; what a dead process held is free, also from elsewhere."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import filelock
import pytest
from answered import answer

from cl_bench.benchmark.records import lock as module
from cl_bench.benchmark.records.lock import held

HOLDS = """
import sys, time
from pathlib import Path
from cl_bench.benchmark.records.lock import held
with held(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Signs of life come and are missed within a moment."""
    for name, seconds in {"BEAT": 0.05, "SILENCE": 0.4, "LOOK": 0.02}.items():
        monkeypatch.setattr(module, name, seconds)


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / ".lock"


def taken(lock: Path) -> str | None:
    """In which words the lock is refused; ``None`` where it is given."""

    def take() -> None:
        with held(lock, "the thing"):
            pass

    return answer(take)


def holder(lock: Path) -> subprocess.Popen[bytes]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", HOLDS, str(lock)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"held\n"
    return process


def test_the_second_is_refused_and_told_who_holds_it_and_a_killed_one_holds_nothing(
    lock: Path,
) -> None:
    other = holder(lock)
    try:
        words = taken(lock)
        assert words is not None and words.startswith("the thing is in use by another process")
        assert f"({other.pid} on {socket.gethostname()}" in words
    finally:
        other.send_signal(signal.SIGKILL)
        other.communicate()
    assert module._sign(lock), "it could not let go"
    began = time.monotonic()
    assert taken(lock) is None and module._sign(lock) == ""
    assert time.monotonic() - began < module.SILENCE, "of this machine's process it is known"


def from_elsewhere(lock: Path, alive: threading.Event) -> None:
    """Signs of life as another machine gives them, whose lock this one does not see."""
    lock.touch()
    place, number = os.open(lock, os.O_WRONLY), 0
    while alive.is_set():
        number += 1
        os.pwrite(place, f"elsewhere {7:010d} {number:010d}\n".encode(), 0)
        time.sleep(0.03)
    os.close(place)


def test_a_living_process_of_another_machine_is_found_where_the_disk_does_not_know_it(
    lock: Path,
) -> None:
    alive = threading.Event()
    alive.set()
    other = threading.Thread(target=from_elsewhere, args=(lock, alive))
    other.start()
    try:
        while not (lock.exists() and lock.read_bytes()):
            time.sleep(0.01)
        words = taken(lock)
        assert words is not None and "7 on elsewhere" in words
    finally:
        alive.clear()
        other.join()
    assert taken(lock) is None, "it is dead now, and gave no further sign"


def test_a_dead_process_of_another_machine_holds_nothing(
    lock: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lock.write_text(f"elsewhere {7:010d} {0:010d}\n")
    assert taken(lock) is None
    assert "was held by another process (7 on elsewhere); looking" in caplog.text


def test_who_waits_says_so_and_comes_next(lock: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = filelock.FileLock(lock)
    first.acquire()
    order = []

    def second() -> None:
        with held(lock, "the cache", waits=True):
            order.append("second")

    waiting = threading.Thread(target=second)
    waiting.start()
    while "the cache is in use by another process; waiting for it" not in caplog.text:
        time.sleep(0.01)
    order.append("first")
    first.release()
    waiting.join()
    assert order == ["first", "second"]


def test_signs_of_life_are_given_and_end(lock: Path) -> None:
    with held(lock, "it"):
        first = module._sign(lock)
        while module._sign(lock) == first:
            time.sleep(0.01)
        assert module._sign(lock).split()[0] == socket.gethostname()
        assert int(module._sign(lock).split()[1]) == os.getpid()
    assert lock.read_bytes() == b""
    time.sleep(3 * module.BEAT)
    assert lock.read_bytes() == b"", "nobody writes any more"


def test_an_error_in_the_block_lets_go(lock: Path) -> None:
    with pytest.raises(ZeroDivisionError), held(lock, "it"):
        _ = 1 / 0
    assert lock.read_bytes() == b"" and taken(lock) is None


@pytest.mark.parametrize("number", [13, 28, 30, 37, 122])
def test_a_disk_that_takes_no_lock_is_one_line(
    number: int, lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No permission, no space, read-only, no locks left, quota."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(filelock.FileLock, "acquire", fail)
    words = rf"it cannot be locked: {os.strerror(number)}: '{lock}'$"
    with pytest.raises(OSError, match=words), held(lock, "it"):
        raise AssertionError("the block must not run")
