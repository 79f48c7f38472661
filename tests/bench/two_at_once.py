"""What a second run beside the first one costs, and what it costs a single run to allow for it.

The same short run alone, alone with threads that turn while they wait, as OpenMP's do by default, and twice at
once. ``import cl_bench`` lets them sleep (``OMP_WAIT_POLICY=PASSIVE``). Two at once do twice the work on the
same cores, so they should take about twice the time of one.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROUNDS = 3
SLEEP, TURN = (
    {"OMP_WAIT_POLICY": "PASSIVE"},
    {"GOMP_SPINCOUNT": "300000"},
)  # the second: the default
COMMAND = ("run", "--method", "keeplora", "--order", "II", "--tasks", "2", "--device", "cpu")


def start(folder: Path, waiting: dict[str, str]) -> subprocess.Popen[bytes]:
    environment = os.environ | waiting
    words = [sys.executable, "-P", "-m", "cl_bench", *COMMAND, "--out", str(folder)]
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)


def seconds(waiting: dict[str, str], at_once: int = 1) -> float:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        runs = [start(Path(folder, str(i)), waiting) for i in range(at_once)]
        assert all(run.wait() == 0 for run in runs)
        return time.perf_counter() - begin


def main() -> None:
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        os.environ.pop(name, None)  # importing cl_bench set one of them
    sleeping, turning, twice = [], [], []
    for _ in range(ROUNDS):  # in turns, so that all meet the same machine
        sleeping.append(seconds(SLEEP))
        turning.append(seconds(TURN))
        twice.append(seconds(SLEEP, at_once=2))
    one, before, two = median(sleeping), median(turning), median(twice)
    print(
        f"one run: {one:.1f} s = {one / before:.2f} times one whose threads turn (wanted: <= 1.03)"
    )
    print(f"two at once: {two:.1f} s = {two / one:.2f} times one (wanted: <= 2.3)")


if __name__ == "__main__":
    main()
