"""The processes that compute one run together, as a launcher starts them; alone, all of this does nothing.

Every process runs the same program on the same draws. What they share out among them are images: those of a
pass, of an evaluation, and the rows of a batch on their way through a tower (``benchmark/rows.py``). The first
process writes; what it makes of the disk, the others hear from it (``first.py``).
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.benchmark.processes.launcher import launched

if TYPE_CHECKING:  # a mistake in an option is answered before torch is imported
    from torch.distributed.distributed_c10d import Store

TIMEOUT = "CL_BENCH_TIMEOUT"  # seconds for which a process waits for the others
DEFAULT_TIMEOUT = 600
REASON = "why a process ended"


@dataclass(frozen=True)
class Joined:
    """A process among others.

    Attributes:
        rank: its number, from 0.
        size: how many there are.
        store: where they leave words for each other.
    """

    rank: int
    size: int
    store: Store


_joined: Joined | None = None


def rank() -> int:
    """The number of this process among those that have joined."""
    return _joined.rank if _joined else 0


def size() -> int:
    """How many have joined; 1 alone."""
    return _joined.size if _joined else 1


def leads() -> bool:
    """Whether this is the process that writes."""
    return rank() == 0


class LostError(UserError):
    """Another process has ended, or does not answer."""


@contextmanager
def with_all() -> Iterator[Joined]:
    """A step that all processes take together; there must be several.

    Raises:
        LostError: one of them does not take it.
    """
    assert _joined is not None
    try:
        yield _joined
    except RuntimeError as error:
        raise lost() from error


def lost() -> LostError:
    """What to say when a process is gone."""
    assert _joined is not None
    words = "one of them has ended, does not answer, or was told to stop"
    with suppress(RuntimeError):
        if _joined.store.check([REASON]):
            words = _joined.store.get(REASON).decode()
    return LostError(
        f"the run stops, its {_joined.size} processes cannot go on together: {words}. "
        "The same command continues it"
    )


@contextmanager
def joined() -> Iterator[None]:
    """Work together with the processes that the launcher started beside this one, if there are any.

    Raises:
        UserError: another process does not come, ends, or does not answer in time; says why, if known.
    """
    global _joined
    if _joined or launched()[1] == 1:
        yield
        return
    _joined = _join()
    try:
        with _told_to_stop():
            yield
    except BaseException as error:
        _leave_word(error)
        raise
    finally:
        _close()
        _joined = None


def _join() -> Joined:
    """Meet the others; a GPU of its own becomes each process's present one."""
    import torch
    from torch import distributed
    from torch.distributed.rendezvous import rendezvous

    limit = timedelta(seconds=_timeout())
    backend, here = "gloo", int(os.environ.get("LOCAL_RANK", "0"))
    if torch.cuda.is_available() and here < torch.cuda.device_count():
        torch.cuda.set_device(here)
        backend = "cpu:gloo,cuda:nccl"
    try:
        store, own, count = next(rendezvous("env://", timeout=limit))
        distributed.init_process_group(
            backend, store=store, rank=own, world_size=count, timeout=limit
        )
    except RuntimeError as error:
        raise UserError(f"the processes did not find each other: {in_one_line(error)}") from error
    return Joined(own, count, store)


def _timeout() -> int:
    """Seconds for which a process waits for the others."""
    said = os.environ.get(TIMEOUT, str(DEFAULT_TIMEOUT))
    if not said.isdecimal() or int(said) == 0:
        raise UserError(f"{TIMEOUT}={said}: write a whole number of seconds from 1 up")
    return int(said)


def _close() -> None:
    """End the threads that talk to the others; left alone, they abort a process that ends."""
    from torch import distributed

    with suppress(RuntimeError):  # all is done and written, or said
        distributed.destroy_process_group()


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """Let the first process say why it ends when the launcher stops it, as it does when another one ends."""
    if not leads() or threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(signum: int, frame: object) -> None:
        raise lost()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _leave_word(error: BaseException) -> None:
    """Say for the first process why this one ends."""
    if _joined is not None and not isinstance(error, LostError):
        with suppress(RuntimeError):
            _joined.store.set(REASON, f"process {_joined.rank}: {in_one_line(error)}")
