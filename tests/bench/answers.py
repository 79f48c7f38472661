"""Seconds until a command answers: mistakes, what is only read, completions, and a dry run."""

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
from written_run import write_run

MISTAKES = (
    "run --method x", "run --suite nope", "run --order III", "run --set rank=0", "run --set lr",
    "run --set rnak=4", "run --precision fp8", "run --backbone ViT-B-16:opnai", "run --suite mtil",
    "run --device gpu", "sweep --methods lora,x", "resume gone", "data check nope",
)  # fmt: skip
READ = (
    "--help", "list methods", "list settings keeplora", "list backbones", "list orders",
    "list datasets --suite mtil", "published", "show a", "why a b", "compare a b",
)  # fmt: skip
PLANS = ("run --suite mtil --method keeplora --order I --dry-run",)  # with what the run will take
TABS = ("run --method ", "run --suite ", "run --order ", "run --set ", "run --backbone ", "show ")
TASKS = tuple(f"task-{i}" for i in range(11))
TIMES = 2  # of each the fastest counts: the rest is what else the machine does


def measure(tiny: bool = False) -> Iterator[Figure]:
    """The slowest answer of every kind; of some words alone where ``tiny``."""
    few = slice(0, 2) if tiny else slice(None)
    with tempfile.TemporaryDirectory() as folder:
        for name, method in (("a", "lora"), ("b", "keeplora")):
            run = write_run(Path(folder) / "runs", method, 0, TASKS, images=230)
            run.rename(Path(folder) / name)
        kinds = (("a mistake", MISTAKES, 2, 1), ("read", READ, 0, 2), ("dry run", PLANS, 0, 10))
        for title, commands, code, limit in kinds[: 2 if tiny else 3]:
            seconds = {command: _seconds(command, folder, code) for command in commands[few]}
            yield _slowest(f"the slowest answer, {title}", seconds, f"<= {limit}")
        seconds = {typed: _seconds_of_a_tab(typed, folder) for typed in TABS[few]}
        yield _slowest("the slowest completion", seconds, "<= 0.3")


def _slowest(what: str, seconds: dict[str, list[float]], wanted: str) -> Figure:
    """Of every command its fastest time counts."""
    for command, taken in seconds.items():
        print(f"  {min(taken):.2f} s  cl-bench {command}")
    slowest = max(seconds.values(), key=min)
    return Figure(what, min(slowest), "s", min(slowest), max(slowest), wanted)


def _seconds(command: str, folder: str, code: int) -> list[float]:
    """What the command takes, from the start of its process to its end with that code."""
    taken = []
    for _ in range(TIMES):
        start = time.perf_counter()
        words = [sys.executable, "-P", "-m", "cl_bench", *command.split()]
        ended = subprocess.run(words, cwd=folder, capture_output=True, text=True)
        assert ended.returncode == code, f"{command}: {ended.stderr}"
        taken.append(time.perf_counter() - start)
    return taken


def _seconds_of_a_tab(typed: str, folder: str) -> list[float]:
    """What a shell waits for what may follow."""
    words = ["cl-bench", *typed.split(" ")]
    asked = {"_CL_BENCH_COMPLETE": "complete_bash", "COMP_WORDS": " ".join(words)}
    env = {**os.environ, **asked, "COMP_CWORD": str(len(words) - 1)}
    taken = []
    for _ in range(TIMES):
        start = time.perf_counter()
        command = [sys.executable, "-P", "-m", "cl_bench"]
        ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)
        assert ended.stdout or typed == "show ", typed
        taken.append(time.perf_counter() - start)
    return taken


if __name__ == "__main__":
    run_alone(measure, __doc__)
