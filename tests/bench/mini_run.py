"""KeepLoRA on the mini suite in order II: seconds, peak memory, and what its log and dashboards cost.

What those cost is processor time, in per cent of the run's own time.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone

from cl_bench.benchmark.record import RunFolder, read_run
from cl_bench.benchmark.records.events import Event, Resumed
from cl_bench.reports.sinks.follow import following
from cl_bench.reports.sinks.sink import Sink
from cl_bench.reports.sinks.tensorboard_sink import TensorBoardSink
from cl_bench.reports.sinks.wandb_sink import Place, WandbSink


def measure(tiny: bool = False) -> Iterator[Figure]:
    """The whole run; where ``tiny``, one task of it."""
    with tempfile.TemporaryDirectory() as out:
        command = ["run", "--method", "keeplora", "--suite", "mini", "--order", "II", "--out", out]
        command += ["--tasks", "1", "--set", "steps=2"] if tiny else []
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "cl_bench", *command], check=True, stdout=subprocess.DEVNULL
        )
        whole = time.perf_counter() - start
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 2**20
        (log,) = Path(out).rglob("events.jsonl")
        run = read_run(log.parent)
        yield Figure("keeplora on mini, order II", whole, "s", wanted="<= 120")
        yield Figure("peak memory of keeplora on mini, order II", peak, "GiB", wanted="<= 2")
        for name, wanted, work in (
            ("its own log", "< 1", lambda: write_again(run.events, Path(out) / "again")),
            ("W&B offline", "< 3", lambda: followed(run.path, WandbSink(Place("offline")))),
            ("TensorBoard", "< 5", lambda: followed(run.path, TensorBoardSink(Path(out) / "tb"))),
        ):
            share = 100 * processor_seconds(work) / whole
            yield Figure(
                f"processor time of a run's log, of the run: {name}", share, "%", wanted=wanted
            )


def followed(path: Path, sink: Sink) -> None:
    """The process that feeds a sink, over the whole log at once; its wall time is not the run's."""
    with following(path, [sink], print) as tell:
        tell(Resumed(learned=0))


def write_again(events: list[Event], path: Path) -> None:
    path.mkdir()
    folder = RunFolder(path)
    for event in events:
        folder.log(event)


def processor_seconds(work: Callable[[], object]) -> float:
    """Of this process and of children that have ended."""
    before = os.times()
    work()
    return sum(os.times()[:4]) - sum(before[:4])


if __name__ == "__main__":
    run_alone(measure, __doc__)
