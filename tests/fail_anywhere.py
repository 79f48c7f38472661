"""Lets every call that changes a run's directory fail once, with every error, and compares what comes after.

A run of one task in two steps, which keeps a state behind each: it must end in one line, and then, with room
again, as an undisturbed one. Ends with 1 where it does not.
"""

from __future__ import annotations

import errno
import functools
import sys
import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import torch
from failing_disk import ERRORS, failing_disk
from small_run import fresh, small_plan, small_stream

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.interval import Interval
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.run import run
from cl_bench.benchmark.task import TaskStream
from cl_bench.experiment.resolve import Plan

WHOLE_TASKS, EVERY_STEP = Interval(), Interval(steps=1)
FILES = (
    "matrix.csv",
    "predictions/after-01.npz",
    "checkpoints/after-01.safetensors",
    "config.json",
)


@functools.cache
def planned() -> tuple[Plan, TaskStream]:
    plan = small_plan("lora", tasks=1, overrides=("rank=1", "steps=2", "lr=0.05"))
    few = torch.arange(8)
    tasks = (
        replace(t, train=t.train.subset(few), test=t.test.subset(few))
        for t in small_stream(plan).tasks
    )
    return plan, TaskStream("mini", tuple(tasks))


def learn(path: Path, interval: Interval = WHOLE_TASKS) -> RunResult:
    """Learn the task in a directory, or go on."""
    plan, stream = planned()
    make, folder = functools.partial(fresh, plan), RunFolder(path)
    return run(plan.config, make, stream, folder, lambda event: None, interval=interval)


def failed(path: Path, interval: Interval = WHOLE_TASKS) -> str | None:
    """In which words a run ends, as the command line prints them."""
    try:
        learn(path, interval)
    except (UserError, OSError) as error:
        return str(error)
    return None


def calls(path: Path, interval: Interval = WHOLE_TASKS) -> list[tuple[str, str]]:
    """What a run calls, and on which file, in order."""
    with failing_disk(path) as disk:
        learn(path, interval)
    return disk.calls


def faults(
    path: Path, call: int, error: int, undisturbed: Path, interval: Interval = WHOLE_TASKS
) -> list[str]:
    """What is wrong when a call of a run fails and the run then goes on with room again."""
    with failing_disk(path, call, error):
        words = failed(path, interval)
    found = [] if words and len(words.splitlines()) == 1 else [f"said {words!r}"]
    if not learn(path).finished:
        found.append("not finished")
    found += check_run(path)
    same = ((path / file).read_bytes() == (undisturbed / file).read_bytes() for file in FILES)
    return found + [f"{file} differs" for file, equal in zip(FILES, same, strict=True) if not equal]


def main() -> None:
    """Try every call with every error."""
    tried, wrong = Counter[str](), list[str]()
    with tempfile.TemporaryDirectory() as out:
        undisturbed = learn(Path(out) / "undisturbed").path
        for call, (kind, name) in enumerate(calls(Path(out) / "counted", EVERY_STEP)):
            for error in ERRORS:
                path = Path(out) / f"{call}-{error}"
                found = faults(path, call, error, undisturbed, EVERY_STEP)
                wrong += [f"{kind} of {name}, {errno.errorcode[error]}: {words}" for words in found]
                tried[kind] += 1
    sys.stdout.write(f"{tried.total()} failing calls, {len(wrong)} faults\n")
    sys.stdout.writelines(f"  {words}\n" for words in wrong)
    sys.stdout.writelines(f"{n:5d} of {kind}\n" for kind, n in tried.most_common())
    raise SystemExit(bool(wrong))


if __name__ == "__main__":
    main()
