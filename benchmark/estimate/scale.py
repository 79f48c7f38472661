"""From a rehearsal in small to the costs of every task: what grows with a size, with classes and with tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cl_bench.benchmark.estimate.rehearsal import Parts
from cl_bench.benchmark.estimate.shapes import Amounts


@dataclass(frozen=True)
class Growth:
    """How far a size of a play is from that of the run.

    Attributes:
        small: of the first play.
        larger: of another play.
        full: of the run.
    """

    small: int
    larger: int
    full: int

    @classmethod
    def to(cls, full: int, small: int, more: int) -> Growth:
        """From a small size by some more towards the full one."""
        return cls(min(small, full), min(small + more, full), full)

    def beyond(self, before: Parts, after: Parts) -> Parts:
        """What the full size takes beyond the small one, from plays with the small and the larger size."""
        factor = (self.full - self.small) / (self.larger - self.small)
        shared = before.keys() & after.keys()
        return {part: factor * np.maximum(after[part] - before[part], 0) for part in shared}


def added(parts: Sequence[Parts], more: Sequence[Parts]) -> list[Parts]:
    """The sum, part by part; what ``more`` lacks stays as it is."""
    return [
        {part: amount + of.get(part, 0) for part, amount in those.items()}
        for those, of in zip(parts, more, strict=True)
    ]


def representatives(prompts: Sequence[int]) -> list[int]:
    """Which tasks are played for all: the first, the second, and two to tell classes from tasks.

    Args:
        prompts: of every task.
    """
    if len(prompts) <= 4:
        return list(range(len(prompts)))
    rest = range(2, len(prompts))
    other = max(rest, key=lambda i: abs(prompts[i] - prompts[1]))
    alike = min((i for i in rest if i != other), key=lambda i: abs(prompts[i] - prompts[1]))
    return [0, 1, other, alike]


def of_every_task(
    played: Sequence[Parts], which: Sequence[int], prompts: Sequence[int]
) -> list[Parts]:
    """The parts of every task, from those of ``representatives`` played one after the other.

    The first task stands for itself. The others are linear in their prompts and in how many tasks
    were learned before.
    """
    if len(played) == len(prompts):
        return list(played)
    rows = np.array([[1.0, prompts[i], t] for t, i in enumerate(which)])[1:]
    wanted = np.array([[1.0, prompts[t], t] for t in range(1, len(prompts))])
    later: dict[str, Amounts] = {}
    for part in played[1]:
        found, *_ = np.linalg.lstsq(rows, np.stack([parts[part] for parts in played[1:]]))
        later[part] = np.maximum(wanted @ found, 0)
    return [played[0], *({part: of[t] for part, of in later.items()} for t in range(len(wanted)))]


def corrected(expected: Sequence[Parts], measured: Sequence[Parts]) -> list[Parts]:
    """Expected parts as far as they were measured; behind that, in proportion to the last measured task.

    Args:
        expected: of the start and every task, in seconds by the machine's rates, and in bytes.
        measured: of the start and the first tasks, in seconds and in bytes.
    """
    last = len(measured) - 1
    result = []
    for i, parts in enumerate(expected):
        real, same = measured[min(i, last)], expected[min(i, last)]
        result.append(
            {
                part: of if part == "saved" else real[part] * _ratio(of, same[part])
                for part, of in parts.items()
            }
        )
    return result


def _ratio(a: Amounts, b: Amounts) -> float:
    return float(a[0] / b[0]) if b[0] > 0 else 1.0
