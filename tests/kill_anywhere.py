"""Kills runs with SIGKILL at random moments until they end, and compares them with undisturbed ones.

``kill_anywhere.py --kills N``: N kills for every method, in processes that are forked when everything is
imported; ``--commands`` starts `cl-bench run` anew each time, so that imports and the data's reading are hit,
too. Ends with 1 if a single byte differs or a directory cannot be gone on with.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import zip_longest
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import numpy as np
from killing import numbers
from small_run import small_plan, small_run

from cl_bench.benchmark.record import RunFolder, read_run
from cl_bench.benchmark.records import files, run_folder
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.events import Evaluated, Learned, Saved, Step
from cl_bench.benchmark.records.run_log import read_log

METHODS = ("keeplora", "zscl", "moe-adapters")
FEW = ("steps=11", "batch_size=8")
SELECTOR = ("selector_steps=10", "reference_steps=10")
WRITES = 25  # files and lines of the log; a life that is not killed writes about twice as many


class Life(Protocol):
    """A process that works on a run."""

    def kill(self) -> None: ...
    def wait(self, seconds: float | None) -> int | None:
        """Its exit code, or ``None`` if it lasts longer."""
        ...


class Forked:
    """A life that begins with everything imported.

    Args:
        work: what it does.
        write: the write at which it kills itself, from 1 on: a line of the log, or a file.
    """

    def __init__(self, work: Callable[[], object], write: int | None) -> None:
        def live() -> None:
            with killed_at_write(write):
                work()

        self._process = get_context("fork").Process(target=live)
        self._process.start()

    def kill(self) -> None:
        self._process.kill()
        self._process.join()

    def wait(self, seconds: float | None) -> int | None:
        self._process.join(seconds)
        return self._process.exitcode


class Command:
    """A life that begins as a user begins it."""

    def __init__(self, words: list[str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "cl_bench", *words],
            stdout=subprocess.DEVNULL,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")},
        )

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def wait(self, seconds: float | None) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None


@contextmanager
def killed_at_write(write: int | None) -> Iterator[None]:
    """Kill this process around a ``fsync``: before it, behind it, or behind the rename that follows."""
    done, fsync, replace = [0], os.fsync, Path.replace

    def count(step: int) -> None:
        done[0] += step
        if write is not None and done[0] >= 3 * write:
            os.kill(os.getpid(), signal.SIGKILL)

    def synced(descriptor: int) -> None:
        count(1)
        fsync(descriptor)
        count(2)

    def renamed(path: Path, target: Path) -> Path:
        made = replace(path, target)
        count(1)
        return made

    files.os.fsync = run_folder.os.fsync = synced  # type: ignore[assignment]
    Path.replace = renamed  # type: ignore[assignment, method-assign]
    yield


def phase(run: Path) -> str:
    """What a run was doing when it was killed, by what it left."""
    if not (run / "manifest.json").exists():
        return "before the run's directory"
    if list(run.rglob(".*.partial")):
        return "writing a file"
    last = read_log(run / "events.jsonl")[-1]
    match last:
        case Step():
            return "after_task" if last.step == last.steps else "training"
        case Learned():
            return "writing a checkpoint"
        case Saved():
            return "evaluation"
        case Evaluated():
            return "before_task or the first steps"
    return "reading the run, or behind it"


def differences(run: Path, undisturbed: Path) -> list[str]:
    """In what two runs differ."""
    one, other = read_run(run), read_run(undisturbed)
    odd = check_run(run)
    if not one.finished:
        odd.append("not finished")
    if (run / "matrix.csv").read_bytes() != (undisturbed / "matrix.csv").read_bytes():
        odd.append("matrix")
    last = len(one.config.tasks)
    for row in range(last + 1):
        a, b = one.predictions(row), other.predictions(row)
        odd += [f"predictions {row} {t}" for t in b if not np.array_equal(a[t], b[t])]
    states = [RunFolder(path).checkpoint(last).read_bytes() for path in (run, undisturbed)]
    if states[0] != states[1]:
        odd.append("checkpoint")
    # Those of ZSCL's first step hold the teacher's features of references that this process sees first.
    left_out = {"step_flops"} if one.config.method == "zscl" else set()
    for a, b in zip_longest(numbers(one.events), numbers(other.events), fillvalue={}):
        fields = [name for name in (a | b).keys() - left_out if a.get(name) != b.get(name)]
        odd += [f"log, {b.get('event')}: {name}" for name in fields]
    kept = sorted(file.name for file in (run / "checkpoints").iterdir())
    if kept != [f"after-{last:02d}.safetensors"]:
        odd.append(f"left behind: {kept}")
    return odd


def kill_and_compare(
    begin: Callable[[Path, int | None], Life],
    directory: Callable[[Path], Path],
    kills: int,
    draw: random.Random,
    out: Path,
) -> tuple[Counter[str], list[str]]:
    """Kill runs as often as is asked for, and compare each one that ends.

    Args:
        begin: starts a life in a folder, given the write at which it ends, if it is to end at one.
        directory: the run's, of such a folder.
        kills: how many.
        draw: the moments.
        out: for the runs.

    Returns:
        In which phases the kills fell, and what differs.
    """
    start = time.monotonic()
    assert begin(out / "undisturbed", None).wait(None) == 0, "the undisturbed run failed"
    lasts = time.monotonic() - start
    phases, odd, rounds = Counter[str](), list[str](), 0
    while phases.total() < kills:
        rounds += 1
        folder = out / f"round{rounds}"
        while True:
            alive = phases.total() < kills
            write = draw.randint(1, WRITES) if alive and draw.random() < 0.5 else None
            life = begin(folder, write)
            limit = draw.uniform(0, lasts / 2) if alive and write is None else None
            code = life.wait(limit)
            if code is None:
                life.kill()
            if code == 0:
                break
            if code not in (None, -signal.SIGKILL):
                return phases, [*odd, f"{folder}: cannot be gone on with, exit code {code}"]
            phases[phase(directory(folder))] += 1
        odd += [
            f"{folder}: {words}"
            for words in differences(directory(folder), directory(out / "undisturbed"))
        ]
    return phases, odd


def forked(
    method: str, kills: int, draw: random.Random, out: Path
) -> tuple[Counter[str], list[str]]:
    """Kill runs of a method that are forked from this process."""
    more = SELECTOR if method == "moe-adapters" else ()
    plan = small_plan(method, overrides=(*FEW, *more))

    def begin(folder: Path, write: int | None) -> Life:
        return Forked(lambda: small_run(plan, folder, every="3"), write)

    return kill_and_compare(begin, lambda folder: folder, kills, draw, out)


def commands(
    method: str, kills: int, draw: random.Random, out: Path
) -> tuple[Counter[str], list[str]]:
    """Kill commands."""
    more = SELECTOR if method == "moe-adapters" else ()
    settings = [word for pair in (*FEW, *more) for word in ("--set", pair)]
    words = [
        "run",
        "--suite",
        "mini",
        "--order",
        "II",
        "--tasks",
        "2",
        "--device",
        "cpu",
        "--quiet",
    ]
    words += ["--method", method, *settings, "--checkpoint-every", "3"]

    def directory(folder: Path) -> Path:
        return next(iter(folder.glob("*/*/seed0-*")), folder)

    def begin(folder: Path, write: int | None) -> Life:
        return Command([*words, "--out", str(folder)])

    return kill_and_compare(begin, directory, kills, draw, out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--commands", action="store_true")
    chosen = parser.parse_args()
    draw, failed, total = random.Random(chosen.seed), False, Counter[str]()
    for method in METHODS:
        with tempfile.TemporaryDirectory() as out:
            way = commands if chosen.commands else forked
            phases, odd = way(method, chosen.kills, draw, Path(out))
        total += phases
        failed = failed or bool(odd)
        sys.stdout.write(f"{method}: {phases.total()} kills, {len(odd)} differences\n")
        sys.stdout.writelines(f"  {words}\n" for words in odd)
    sys.stdout.writelines(f"{n:5d} in {where}\n" for where, n in total.most_common())
    raise SystemExit(failed)


if __name__ == "__main__":
    main()
