"""Methods' first tasks on the mini suite, in units of KeepLoRA's time for the same tasks.

KeepLoRA is timed before, in the middle and after: its slowest and fastest run show the machine's noise.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone

from cl_bench.benchmark.records.run_log import read_log
from cl_bench.methods.catalog import BUILT_IN
from cl_bench.reports.runs.cost import Cost

REFERENCE = "keeplora"
SOME = "lora,zscl,moe-adapters"  # the slowest two, and a fast one


def measure(tiny: bool = False, tasks: int = 2, methods: str = SOME) -> Iterator[Figure]:
    """Of every method, and how far KeepLoRA's own times spread; ``--methods all`` for all."""
    others = [n for n in (BUILT_IN if methods == "all" else methods.split(",")) if n != REFERENCE]
    others, more = (others[:1], ("--set", "steps=2")) if tiny else (others, ())
    middle = len(others) // 2
    order = [REFERENCE, *others[:middle], REFERENCE, *others[middle:], REFERENCE]
    times = [(name, _seconds(name, tasks, more)) for name in order]
    known = [seconds for name, seconds in times if name == REFERENCE]
    yield Figure.of(f"{REFERENCE} on {tasks} tasks of mini", known, "s")
    for name, seconds in times:
        if name != REFERENCE:
            ratios = [seconds / unit for unit in known]
            yield Figure.of(
                f"{name} on {tasks} tasks of mini against {REFERENCE}", ratios, "x", "<= 3"
            )


def _seconds(method: str, tasks: int, more: tuple[str, ...]) -> float:
    """Learning and evaluating, start-up aside."""
    with tempfile.TemporaryDirectory() as out:
        command = ["run", "--method", method, "--suite", "mini", "--order", "II"]
        command += ["--tasks", str(tasks), "--out", out, *more]
        subprocess.run(
            [sys.executable, "-m", "cl_bench", *command], check=True, stdout=subprocess.DEVNULL
        )
        (log,) = Path(out).rglob("events.jsonl")
        cost = Cost.of(read_log(log))
    assert cost.learning_seconds is not None and cost.evaluate_seconds is not None
    return cost.learning_seconds + cost.evaluate_seconds


if __name__ == "__main__":
    run_alone(measure, __doc__)
