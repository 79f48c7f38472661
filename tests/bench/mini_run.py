"""``cl-bench run --method keeplora --order II`` on the mini suite: seconds and peak memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone


def measure(tiny: bool = False) -> Iterator[Figure]:
    """The whole run; where ``tiny``, one task of it."""
    sizes = ["--tasks", "1", "--set", "steps=2"] if tiny else []
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "cl_bench", "run", "--method", "keeplora"]
        command += ["--order", "II", "--suite", "mini", "--out", out, *sizes]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    yield Figure("keeplora on mini, order II", seconds, "s", wanted="<= 120")
    yield Figure("peak memory of keeplora on mini, order II", peak, "GiB", wanted="<= 2")


if __name__ == "__main__":
    run_alone(measure, __doc__)
