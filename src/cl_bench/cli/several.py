"""Several runs of one command: ``--seeds`` and ``--orders``, and the keys of a config file. No torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.random_orders import random_orders
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.settle import settle


def parts_of(text: str, option: str, separator: str = ",") -> list[str]:
    """What an option lists.

    Raises:
        UserError: nothing stands in it, or between two of its separators.
    """
    parts = [part.strip() for part in text.split(separator)]
    if not any(parts):
        raise UserError(f"{option} names nothing: there would be no run")
    if not all(parts):
        raise UserError(f"{option} {text!r}: nothing stands beside one of its {separator!r}")
    return parts


def seeds_in(text: str) -> list[int]:
    """The seeds that ``--seeds`` lists.

    Raises:
        UserError: it lists none, or one is no number.
    """
    try:
        return [int(part) for part in parts_of(text, "--seeds")]
    except ValueError:
        raise UserError(f"--seeds {text!r} is not a list of whole numbers such as 0,1,2") from None


def orders_in(text: str) -> list[str]:
    """The orders that ``--orders`` lists: with commas, or with semicolons where one has commas itself.

    ``random:N`` stands for the first N random orders.

    Raises:
        UserError: it lists none, or N is no number of orders.
    """
    return _each(parts_of(text, "--orders", ";" if ";" in text else ","))


def _each(orders: Sequence[str]) -> list[str]:
    """The orders, the random ones one by one."""
    return [
        name
        for order in orders
        for name in (
            random_orders(order.removeprefix("random:")) if order.startswith("random:") else [order]
        )
    ]


def seeds_asked(
    given: Mapping[str, Any], text: str | None, file: Path | None, said: Mapping[str, Any]
) -> list[int]:
    """The seeds of the runs.

    Args:
        given: choices that were typed.
        text: what was typed behind ``--seeds``.
        file: the config file.
        said: what stands in it.

    Raises:
        UserError: they are said twice, are no seeds, or one of them stands twice.
    """
    if typed := _typed("seed", given, text, seeds_in):
        return _different("--seeds", typed)
    _only_one("seed", said, f"{file}: give seed or seeds")
    seeds = said.get("seeds", [said.get("seed", 0)])
    if not isinstance(seeds, list) or not seeds or not all(type(seed) is int for seed in seeds):
        raise UserError(f"{file}: seeds must be whole numbers such as [0, 1, 2], not {seeds!r}")
    return _different(f"{file}: seeds" if file else "--seeds", seeds)


def orders_asked(
    given: Mapping[str, Any], text: str | None, file: Path | None, said: Mapping[str, Any]
) -> list[str]:
    """The orders of the runs, empty where there is the one of the choices; arguments as above.

    Raises:
        UserError: they are said twice, are no words, or one of them stands twice.
    """
    typed = _typed("order", given, text, orders_in)
    if typed or "order" in given:
        return _different("--orders", typed) if text is not None else []
    _only_one("order", said, f"{file}: give order or orders")
    orders = said.get("orders", [])
    words = isinstance(orders, list) and all(isinstance(o, str) and o.strip() for o in orders)
    if not words or ("orders" in said and not orders):
        raise UserError(f'{file}: orders must be names such as ["I", "II"], not {orders!r}')
    return _different(f"{file}: orders", _each(orders))


def must_be_orders(choices: Choices, orders: Sequence[str]) -> None:
    """Check every one of several orders.

    Raises:
        UserError: one is unknown, is a task by itself (a list of tasks was cut at its commas), or is
            the same as another.
    """
    known: dict[tuple[str, ...], str] = {}
    for order in orders:
        settled = settle(choices.model_copy(update={"order": order}))
        if len(orders) > 1:
            no_task_alone(order, settled.order)
        tasks = (settled.order, *(task.name for task in settled.tasks))
        if tasks in known:
            raise UserError(f"--orders: {known[tasks]!r} and {order!r} are the same order")
        known[tasks] = order


def no_task_alone(order: str, kind: str) -> None:
    """Check one of several orders.

    Args:
        order: as it was asked for.
        kind: its name, or ``custom``.

    Raises:
        UserError: it is a task by itself.
    """
    if kind == "custom" and "," not in order:
        raise UserError(
            f"--orders: {order!r} is a task and no order. Lists of tasks need semicolons between "
            "them: 'I;A,B,C'; for one list alone there is `run --order A,B,C`"
        )


def _typed(
    name: str, given: Mapping[str, Any], text: str | None, read: Callable[[str], list[Any]]
) -> list[Any]:
    """What was typed behind ``--NAME`` or ``--NAMEs``; empty where nothing was."""
    if text is None:
        return [given[name]] if name in given else []
    if name in given:
        raise UserError(f"give --{name} or --{name}s, not both")
    return read(text)


def _only_one(name: str, said: Mapping[str, Any], words: str) -> None:
    if name in said and f"{name}s" in said:
        raise UserError(f"{words}, not both")


def _different(where: str, values: list[Any]) -> list[Any]:
    numbers = [value for value in values if isinstance(value, int)]
    if numbers and (min(numbers) < 0 or len(set(numbers)) < len(numbers)):
        raise UserError(f"{where}: {values} must be different numbers from 0 up")
    if twice := next((v for i, v in enumerate(values) if v in values[:i]), None):
        raise UserError(f"{where}: {twice!r} stands twice")
    return values
