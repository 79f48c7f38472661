"""How many dimensions a run's method protects, by its log."""

from __future__ import annotations

import re
from collections import defaultdict
from math import isfinite
from statistics import fmean

from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.events import Learned, those

TOWERS = {"v": "vision", "t": "text"}
KEY = re.compile(r"subspace/([^.]+)\.(\d+)\.([^.]+)")  # tower, block, matrix

Occupancy = dict[str, dict[int, list[float]]]  # tower -> block -> dimensions after each task


def occupancy_of(run: RunResult) -> Occupancy:
    """Dimensions per tower and block after every task, mean over the block's matrices.

    Empty where a task's record is missing: its column would be another task's. Also where a number is
    not finite.
    """
    events = those(run.known_events, Learned)
    if len(events) != len(run.matrix.tasks):
        return {}
    result: Occupancy = defaultdict(lambda: defaultdict(list))
    for event in events:
        found: dict[tuple[str, int], list[float]] = defaultdict(list)
        for key, dimensions in event.diagnostics.items():
            if (match := KEY.fullmatch(key)) and isfinite(dimensions):
                found[match[1], int(match[2])].append(dimensions)
        for (tower, block), dimensions_ in sorted(found.items(), key=lambda item: item[0][1]):
            result[tower][block].append(fmean(dimensions_))
    whole = all(len(v) == len(events) for of in result.values() for v in of.values())
    return {tower: dict(of) for tower, of in sorted(result.items(), reverse=True)} if whole else {}
