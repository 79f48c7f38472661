"""What a second run beside the first one costs, and what it costs a single run to allow for it.

The same short run alone, alone with threads that never sleep, and twice at once. torch's threads sleep while
they wait (``OMP_WAIT_POLICY=PASSIVE``, set by ``import cl_bench``); where a machine has one core a run, two at
once should take about twice the time of one.
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
COMMAND = ("run", "--method", "keeplora", "--order", "II", "--tasks", "2", "--device", "cpu")


def start(folder: Path, policy: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {"OMP_WAIT_POLICY": policy}
    words = [sys.executable, "-P", "-m", "cl_bench", *COMMAND, "--out", str(folder)]
    return subprocess.Popen(words, env=environment, stdout=subprocess.DEVNULL)


def seconds(policy: str, at_once: int = 1) -> float:
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        runs = [start(Path(folder, str(i)), policy) for i in range(at_once)]
        assert all(run.wait() == 0 for run in runs)
        return time.perf_counter() - begin


def main() -> None:
    for name in ("OMP_NUM_THREADS", "GOMP_SPINCOUNT"):
        os.environ.pop(name, None)
    alone, never, twice = [], [], []
    for _ in range(ROUNDS):  # in turns, so that all meet the same machine
        alone.append(seconds("PASSIVE"))
        never.append(seconds("ACTIVE"))
        twice.append(seconds("PASSIVE", at_once=2))
    one, spinning, two = median(alone), median(never), median(twice)
    print(f"one run: {one:.1f} s; with threads that never sleep {spinning:.1f} s")
    print(f"  allowing for a second one: {one / spinning:.2f} of the time (wanted: <= 1.03)")
    print(f"two at once: {two:.1f} s = {two / one:.2f} times one (wanted: <= 2.3)")


if __name__ == "__main__":
    main()
