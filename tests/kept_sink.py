"""A dashboard of the tests' own: it keeps what it gets in a file, or breaks, or never ends."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.sinks.points import Point


class KeptSink:
    """Appends every call to a file as JSON; it can be pickled before and after."""

    def __init__(self, file: Path, break_at: int | None = None, hang: bool = False) -> None:
        """Write nothing yet."""
        self._file, self._break_at, self._hang = file, break_at, hang

    def __str__(self) -> str:
        """For messages."""
        return "the test's sink"

    def begin(self, path: Path) -> None:
        """Keep the path."""
        self._keep("begin", path.name)

    def write(self, number: int, point: Point) -> None:
        """Keep the point, or break."""
        if number == self._break_at:
            raise ConnectionError("the network is down\nsecond line")
        self._keep("point", [number, asdict(point)])

    def end(self, result: RunResult | None) -> None:
        """Keep whether the run has finished."""
        self._keep("end", result is not None)
        while self._hang:
            time.sleep(1)

    def _keep(self, what: str, value: Any) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps([what, value]) + "\n")


def kept(file: Path) -> tuple[list[tuple[int, Point]], bool | None]:
    """The points that a sink kept, each with its number, and whether the run had finished."""
    calls = [json.loads(line) for line in file.read_text().splitlines()]
    points = [(value[0], Point(**value[1])) for what, value in calls if what == "point"]
    return points, next((value for what, value in calls if what == "end"), None)
