"""What a second run beside the first one costs, and what it costs a single run to allow for it.

The same short run alone, alone with threads that turn while they wait, as OpenMP's do by default, and twice at
once. ``import cl_bench`` lets them sleep (``GOMP_SPINCOUNT=10000``). Two at once do twice the work on the
same cores, so they should take about twice the time of one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone

ROUNDS = 2
SLEEP, TURN = (
    {"GOMP_SPINCOUNT": "10000"},
    {"GOMP_SPINCOUNT": "300000"},
)  # the second: the default
COMMAND = ("run", "--method", "keeplora", "--order", "II", "--tasks", "2", "--device", "cpu")


def start(folder: Path, waiting: dict[str, str], more: list[str]) -> subprocess.Popen[bytes]:
    environment = os.environ | waiting
    words = [sys.executable, "-P", "-m", "cl_bench", *COMMAND, *more, "--out", str(folder)]
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)


def seconds(waiting: dict[str, str], more: list[str], at_once: int = 1) -> float:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        runs = [start(Path(folder, str(i)), waiting, more) for i in range(at_once)]
        assert all(run.wait() == 0 for run in runs)
        return time.perf_counter() - begin


def measure(tiny: bool = False) -> Iterator[Figure]:
    """Two rounds of three; where ``tiny``, one of runs with two steps."""
    more = ["--set", "steps=2"] if tiny else []
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        os.environ.pop(name, None)  # importing cl_bench set one of them
    sleeping, turning, twice = [], [], []
    for _ in range(1 if tiny else ROUNDS):  # in turns, so that all meet the same machine
        sleeping.append(seconds(SLEEP, more))
        turning.append(seconds(TURN, more))
        twice.append(seconds(SLEEP, more, at_once=2))
    yield Figure.ratio(
        "one run against one whose threads turn while they wait", sleeping, turning, "x", "<= 1.03"
    )
    yield Figure.ratio("two runs at once against one", twice, sleeping, "x", "<= 2.3")


if __name__ == "__main__":
    run_alone(measure, __doc__)
