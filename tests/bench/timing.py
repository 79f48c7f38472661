"""Seconds of work, measured in turn so that all ways meet the same machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import torch


def seconds(work: Callable[[], object], device: str = "cpu") -> float:
    """From an idle device to an idle device."""
    finish(device)
    start = time.perf_counter()
    work()
    finish(device)
    return time.perf_counter() - start


def in_turn(
    ways: Mapping[str, Callable[[], object]],
    repeats: int,
    device: str = "cpu",
    *,
    warm_up: bool = True,
) -> dict[str, list[float]]:
    """Seconds of every way, ``repeats`` times, one way after the other; a first round may warm up."""
    for work in ways.values() if warm_up else ():
        work()
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(repeats):
        for name, work in ways.items():
            taken[name].append(seconds(work, device))
    return taken


def finish(device: str) -> None:
    """Wait until the device has done all that it was asked for."""
    if device.startswith("cuda"):
        torch.cuda.synchronize()
