"""Every method's first tasks on the mini suite, in units of KeepLoRA's time for the same tasks.

KeepLoRA is timed before, in the middle and after: its slowest and fastest run show the machine's noise.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from cl_bench.benchmark.records.run_log import read_log
from cl_bench.methods.catalog import BUILT_IN
from cl_bench.reports.runs.cost import Cost

REFERENCE = "keeplora"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2)
    options = parser.parse_args()
    others = [name for name in BUILT_IN if name != REFERENCE]
    middle = len(others) // 2
    order = [REFERENCE, *others[:middle], REFERENCE, *others[middle:], REFERENCE]
    times = [(name, _seconds(name, options.tasks)) for name in order]
    known = [seconds for name, seconds in times if name == REFERENCE]
    unit = sorted(known)[1]
    print(
        f"{REFERENCE}: {unit:.1f} s for {options.tasks} tasks ({min(known):.1f}-{max(known):.1f} s)"
    )
    for name, seconds in sorted(times, key=lambda pair: pair[1]):
        if name != REFERENCE:
            print(f"{name:14s} {seconds:6.1f} s  {seconds / unit:4.1f}x")


def _seconds(method: str, tasks: int) -> float:
    """Learning and evaluating, start-up aside."""
    with tempfile.TemporaryDirectory() as out:
        command = ["run", "--method", method, "--suite", "mini", "--order", "II"]
        command += ["--tasks", str(tasks), "--out", out]
        subprocess.run(
            [sys.executable, "-m", "cl_bench", *command], check=True, stdout=subprocess.DEVNULL
        )
        (log,) = Path(out).rglob("events.jsonl")
        cost = Cost.of(read_log(log))
    assert cost.learning_seconds is not None and cost.evaluate_seconds is not None
    return cost.learning_seconds + cost.evaluate_seconds


if __name__ == "__main__":
    main()
