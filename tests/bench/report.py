"""A report over 60 runs of the mini suite's size: seconds, memory of all processes, page."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone
from written_run import write_run

TASKS = tuple(
    f"mini-{name}"
    for name in (
        "Aircraft", "Caltech101", "CIFAR100", "DTD", "EuroSAT", "Flowers", "Food", "MNIST",
        "OxfordPet", "StanfordCars", "SUN397",
    )
)  # fmt: skip
METHODS = ("finetune", "lora", "zscl", "lwf", "wise-ft", "moe-adapters", "sd-lora", "o-lora")
WITH_SUBSPACES = ("keeplora", "inflora")
IMAGES = 230  # of a task: 2,530 in all


def measure(tiny: bool = False) -> Iterator[Figure]:
    """60 runs; where ``tiny``, six with a tenth of the images."""
    methods, images = (METHODS[:1], IMAGES // 10) if tiny else (METHODS, IMAGES)
    with_subspaces = () if tiny else WITH_SUBSPACES
    count = 6 * len((*methods, *with_subspaces))
    with tempfile.TemporaryDirectory() as folder:
        runs, out = Path(folder) / "runs", Path(folder) / "out"
        for order, tasks in (("I", TASKS), ("II", TASKS[::-1])):
            for method in (*methods, *with_subspaces):
                for seed in range(3):
                    write_run(
                        runs / f"{order}-{method}", method, seed, tasks, images=images,
                        subspaces=method in WITH_SUBSPACES, order=order,
                    )  # fmt: skip
        command = [sys.executable, "-m", "cl_bench", "report", str(runs), "--out", str(out)]
        start = time.perf_counter()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        peak = _watch(process)
        seconds = time.perf_counter() - start
        assert process.returncode == 0
        page = (out / "report.html").stat().st_size
    yield Figure(f"report over {count} runs", seconds, "s", wanted="<= 30")
    name = f"memory of all processes of a report over {count} runs"
    yield Figure(name, peak / 2**30, "GiB", wanted="<= 1")
    yield Figure(f"report.html of {count} runs", page / 1e6, "MB", wanted="<= 15")


def _watch(process: subprocess.Popen[bytes]) -> int:
    """The most bytes that a process and all below it held at once, shared pages counted once."""
    peak = 0
    while process.poll() is None:
        peak = max(peak, sum(map(_share, _family(process.pid))))
        time.sleep(0.1)
    return peak


def _family(pid: int) -> list[int]:
    """A process and all below it, as Linux lists them; without those that have just ended."""
    with suppress(OSError):
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [pid, *(member for child in children for member in _family(int(child)))]
    return []


def _share(pid: int) -> int:
    with suppress(OSError):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        return 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return 0


if __name__ == "__main__":
    run_alone(measure, __doc__)
