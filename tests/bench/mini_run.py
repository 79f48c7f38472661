"""``cl-bench run --method keeplora --order II`` on the mini suite: seconds and peak memory."""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time


def main() -> None:
    with tempfile.TemporaryDirectory() as out:
        command = [sys.executable, "-m", "cl_bench", "run", "--method", "keeplora"]
        command += ["--order", "II", "--suite", "mini", "--out", out]
        start = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
    print(f"keeplora, order II, mini: {seconds:.0f} s (limit 180), {peak:.2f} GiB (limit 2)")


if __name__ == "__main__":
    main()
