"""Orders drawn at random, the same for every method and machine: ``random-1``, ``random-2``, ..."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from itertools import count
from math import factorial

from cl_bench.benchmark.errors import UserError

MOST = 1000
_NAME = re.compile(r"random-([1-9]\d{0,3})", re.ASCII)


def random_orders(number: str) -> list[str]:
    """The names of the first so many random orders.

    Raises:
        UserError: ``number`` is none from 1 to ``MOST``.
    """
    if not re.fullmatch(r"[1-9]\d{0,3}", number, re.ASCII) or int(number) > MOST:
        raise UserError(
            f"random:{number}: write how many random orders, from 1 to {MOST:,}, such as random:10"
        )
    return [f"random-{k}" for k in range(1, int(number) + 1)]


def drawn(order: str, tasks: Sequence[str]) -> tuple[str, ...] | None:
    """The tasks in a random order; ``None`` where ``order`` is no name of one.

    The draw hangs on the number and the tasks' names alone. No two numbers have the same order.

    Args:
        order: ``random-K``, K from 1 on.
        tasks: names of a suite's tasks.

    Raises:
        UserError: there are fewer orders.
    """
    named = _NAME.fullmatch(order)
    if named is None or int(named[1]) > MOST:
        return None
    k, orders = int(named[1]), factorial(len(tasks))
    if k > orders:
        tasks_there = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
        raise UserError(
            f"order {order}: of the suite's {tasks_there} there are {orders:,} orders; ask for at most "
            f"random:{orders}"
        )
    found: dict[tuple[str, ...], None] = {}
    for draw in count(1):
        found[_permuted(draw, tasks)] = None
        if len(found) == k:
            break
    return next(reversed(found))


def _permuted(draw: int, tasks: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(tasks, key=lambda task: sha256(f"order {draw}/{task}".encode()).digest()))
