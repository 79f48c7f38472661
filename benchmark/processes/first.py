"""What the first process does for all: it reads and writes the disk, and the others hear what came of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import count
from typing import Any, ParamSpec, TypeVar

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.processes.group import REASON, leads, lost, size, with_all

P = ParamSpec("P")
T = TypeVar("T")
_turns = count()


def led(work: Callable[[], T]) -> T:
    """What the first process makes; every process gets it, or the error of it.

    Raises:
        UserError: as ``work`` does, or another process is lost.
        OSError: as ``work`` does.
    """
    if size() == 1:
        return work()
    import torch
    from torch import distributed

    box: list[Any] = [None, None]
    if leads():
        try:
            box[0] = work()
        except (UserError, OSError) as error:
            box[1] = error
    with with_all():
        distributed.broadcast_object_list(box, src=0, device=torch.device("cpu"))
    if box[1] is not None:
        raise box[1]
    made: T = box[0]
    return made


def by_the_first(work: Callable[P, T]) -> Callable[P, T]:
    """Let the first process alone carry out a function; it must not call another one of these."""

    @wraps(work)
    def carried_out(*args: P.args, **kwargs: P.kwargs) -> T:
        return led(lambda: work(*args, **kwargs))

    return carried_out


@contextmanager
def in_turn() -> Iterator[None]:
    """A block that the others begin when the first process is done: they find on the disk what it made.

    It may last for hours, so no one waits for it with a time limit; a process that ends is stopped by the
    launcher.
    """
    if size() == 1:
        yield
        return
    done = f"the first process has had turn {next(_turns)}"
    if leads():
        yield
        with with_all() as here:
            here.store.set(done, "")
        return
    with with_all() as here:
        while not here.store.check([done]):
            if here.store.check([REASON]):
                raise lost()
            time.sleep(0.1)
    yield


def must_agree(digest: Callable[[], str], when: str) -> None:
    """Check that something is the same in every process, and what torch draws next.

    Args:
        digest: of it; not asked for alone.
        when: in the words of the error.

    Raises:
        UserError: it is not; names the processes.
    """
    if size() == 1:
        return
    import torch
    from torch import distributed

    found: list[Any] = [None] * size()
    with with_all():
        drawn_next = torch.get_rng_state().numpy().tobytes()
        distributed.all_gather_object(found, (digest(), drawn_next))
    if odd := [i for i, other in enumerate(found) if other != found[0]]:
        raise UserError(
            f"{when}, process {', '.join(map(str, odd))} holds other numbers than process 0, so what "
            "follows would be wrong: run it in one process"
        )
