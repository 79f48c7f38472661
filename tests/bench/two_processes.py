"""Two processes on two cores against one process with one thread: training seconds of keeplora on mini.

Both learn the first task of order II, in 60 steps, by torchrun's own start; what a second process saves is the ratio of the
seconds of all phases that learn and of the evaluations, which the log holds. Start-up is not in it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from cl_bench.benchmark.record import read_run
from cl_bench.benchmark.records.events import Evaluated, Learned, those

ROUNDS = 3
COMMAND = (
    "-m", "cl_bench", "run", "--method", "keeplora", "--order", "II", "--suite", "mini",
    "--tasks", "1", "--set", "steps=60", "--device", "cpu", "--quiet",
)  # fmt: skip


def seconds(processes: int) -> dict[str, float]:
    """Of every phase."""
    launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-P", *launcher, *COMMAND, "--out", folder]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
        [manifest] = Path(folder).rglob("manifest.json")
        events = read_run(manifest.parent).events
    phases = [of.seconds for of in those(events, Learned)]
    spent = {name: sum(of[name] for of in phases) for name in phases[0]}
    return spent | {"evaluate": sum(of.seconds for of in those(events, Evaluated))}


def main() -> None:
    one, two = [], []
    for _ in range(ROUNDS):  # in turns, so that both meet the same machine
        one.append(seconds(1))
        two.append(seconds(2))
    for phase in one[0]:
        a, b = (median(run[phase] for run in runs) for runs in (one, two))
        wanted = " (wanted: >= 1.5)" if phase == "train" else ""
        print(f"{phase}: one process {a:.1f} s, two {b:.1f} s: {a / b:.2f}x{wanted}")
    a, b = (median(sum(run.values()) for run in runs) for runs in (one, two))
    print(f"all: one process {a:.1f} s, two {b:.1f} s: {a / b:.2f}x")
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
