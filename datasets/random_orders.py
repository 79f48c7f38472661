"""Orders drawn at random, the same for every method and machine: ``random-1``, ``random-2``, ..."""

from __future__ import annotations

import re
from collections.abc import Sequence
from hashlib import sha256
from itertools import count as counting
from math import factorial

from cl_bench.benchmark.errors import UserError

MOST = 1000
_NAME, _NUMBER = "random-", re.compile(r"[1-9]\d{0,3}", re.ASCII)


def random_orders(number: str) -> list[str]:
    """The names of the first so many random orders.

    Raises:
        UserError: ``number`` is none from 1 to ``MOST``.
    """
    count = _number(number)
    if count is None:
        raise UserError(
            f"random:{number}: write how many random orders, from 1 to {MOST:,}, such as random:10"
        )
    return [f"{_NAME}{k}" for k in range(1, count + 1)]


def _number(text: str) -> int | None:
    """From 1 to ``MOST``, if it is one."""
    return int(text) if _NUMBER.fullmatch(text) and int(text) <= MOST else None


def drawn(order: str, tasks: Sequence[str]) -> tuple[str, ...] | None:
    """The tasks in a random order; ``None`` where ``order`` is no name of one.

    The draw hangs on the number and the tasks' names alone. No two numbers have the same order.

    Args:
        order: ``random-K``, K from 1 on.
        tasks: names of a suite's tasks.

    Raises:
        UserError: there are fewer orders.
    """
    k = _number(order.removeprefix(_NAME)) if order.startswith(_NAME) else None
    if k is None:
        return None
    orders = factorial(len(tasks))
    if k > orders:
        tasks_there = "1 task" if len(tasks) == 1 else f"{len(tasks)} tasks"
        raise UserError(
            f"order {order}: of the suite's {tasks_there} there are {orders:,} orders; ask for at most "
            f"random:{orders}"
        )
    found: dict[tuple[str, ...], None] = {}
    for draw in counting(1):
        found[_permuted(draw, tasks)] = None
        if len(found) == k:
            break
    return next(reversed(found))


def _permuted(draw: int, tasks: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(tasks, key=lambda task: sha256(f"order {draw}/{task}".encode()).digest()))
