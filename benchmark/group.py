"""The processes that compute one run together, as torchrun starts them; alone, all of this does nothing.

Every process runs the same program on the same draws. What they share out among them are images: those of a
pass, of an evaluation, and the rows of a batch on their way through a tower (``rows.py``). The first process
writes; what it makes of the disk, the others hear from it (:func:`led`).
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from cl_bench.benchmark.errors import UserError, in_one_line

if TYPE_CHECKING:  # a mistake in an option is answered before torch is imported
    from torch import Tensor
    from torch.distributed.distributed_c10d import Store

OF_LAUNCHER = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
TIMEOUT = "CL_BENCH_TIMEOUT"  # seconds for which a process waits for the others
DEFAULT_TIMEOUT = 600
REASON, TURN = "why a process ended", "the first process is done"
T = TypeVar("T")


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


def launched() -> tuple[int, int]:
    """Number of this process and how many there are, as the launcher says: (0, 1) without one."""
    if not all(name in os.environ for name in OF_LAUNCHER):
        return 0, 1
    return int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])


def launched_here() -> int:
    """How many of them are on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", launched()[1]))


def rank() -> int:
    """The number of this process among those that have joined."""
    return _joined.rank if _joined else 0


def size() -> int:
    """How many have joined; 1 alone."""
    return _joined.size if _joined else 1


def leads() -> bool:
    """Whether this is the process that writes."""
    return rank() == 0


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
        raise _lost()

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


class LostError(UserError):
    """Another process has ended, or does not answer."""


def _lost() -> LostError:
    """What to say of it."""
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
def _with_all() -> Iterator[Joined]:
    """A step that all processes take together.

    Raises:
        LostError: one of them does not.
    """
    assert _joined is not None
    try:
        yield _joined
    except RuntimeError as error:
        raise _lost() from error


def add_up(tensor: Tensor) -> Tensor:
    """The sum of all processes' tensors of this shape, in the place of this one's."""
    if _joined is None:
        return tensor
    from torch import distributed

    dense = tensor.contiguous()
    with _with_all():
        distributed.all_reduce(dense)
    return tensor if dense is tensor else tensor.copy_(dense)


def total_of(number: int) -> int:
    """The sum of all processes' numbers."""
    if _joined is None:
        return number
    import torch

    return int(add_up(torch.tensor(number)))


def part_of(count: int) -> slice:
    """This process's part of ``count`` things in a row: the parts differ by one at most."""
    first, beyond = (count * i // size() for i in (rank(), rank() + 1))
    return slice(first, beyond)


def led(work: Callable[[], T]) -> T:
    """What the first process makes; every process gets it, or the error of it.

    Raises:
        UserError: as ``work`` does, or another process is lost.
        OSError: as ``work`` does.
    """
    if _joined is None:
        return work()
    import torch
    from torch import distributed

    box: list[Any] = [None, None]
    if leads():
        try:
            box[0] = work()
        except (UserError, OSError) as error:
            box[1] = error
    with _with_all():
        distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    if box[1] is not None:
        raise box[1]
    made: T = box[0]
    return made


def in_turn(work: Callable[[], T]) -> T:
    """Work that the others begin when the first process is done: they find on the disk what it made.

    It may last for hours, so no one waits for it with a time limit; a process that ends is stopped by the
    launcher.
    """
    if _joined is None:
        return work()
    if leads():
        made = work()
        _joined.store.set(TURN, "")
        return made
    with _with_all() as here:
        while not here.store.check([TURN]):
            if here.store.check([REASON]):
                raise _lost()
            time.sleep(0.1)
    return work()


def must_agree(digest: Callable[[], str], when: str) -> None:
    """Check that something is the same in every process, and what torch draws next.

    Args:
        digest: of it; not asked for alone.
        when: in the words of the error.

    Raises:
        UserError: it is not; names the processes.
    """
    if _joined is None:
        return
    import torch
    from torch import distributed

    found: list[Any] = [None] * _joined.size
    with _with_all():
        drawn_next = torch.get_rng_state().numpy().tobytes()
        distributed.all_gather_object(found, (digest(), drawn_next))
    if odd := [i for i, other in enumerate(found) if other != found[0]]:
        raise UserError(
            f"{when}, process {', '.join(map(str, odd))} holds other numbers than process 0, so what "
            "follows would be wrong: run it in one process"
        )


def average_gradients(parameters: Sequence[Any]) -> None:
    """Put the mean of all processes' gradients in the place of each one's own.

    A parameter that has a gradient in no process keeps none: optimizers leave it alone.
    """
    if _joined is None:
        return
    import torch

    there = add_up(torch.tensor([p.grad is not None for p in parameters], dtype=torch.int32))
    moved = [p for p, times in zip(parameters, there.tolist(), strict=True) if times]
    for parameter in moved:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [p.grad for p in moved]
    flat = add_up(torch.cat([g.flatten() for g in gradients])).div_(size())
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
