"""Work done ahead of whoever waits for it, in threads: decoding and copying release the GIL."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

A = TypeVar("A")
B = TypeVar("B")


def prefetch(make: Callable[[A], B], items: Iterable[A], workers: int) -> Iterator[B]:
    """Yield ``make(item)`` for every item in order; up to ``workers`` + 1 of them are under way.

    An error of ``make`` is raised where its result would have been yielded; leaving the loop early
    stops the work.

    Args:
        make: runs in other threads.
        items: drawn one by one, in the caller's thread.
        workers: how many threads.
    """
    pool = ThreadPoolExecutor(workers)
    under_way: deque[Future[B]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(make, item))
            if len(under_way) > workers:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
