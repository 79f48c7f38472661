"""What a run's log and its dashboards cost, in per cent of the run's own time (mini, KeepLoRA)."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from cl_bench.benchmark.record import RunFolder, read_run
from cl_bench.benchmark.records.events import Event, Resumed
from cl_bench.reports.sinks.follow import following
from cl_bench.reports.sinks.sink import Sink
from cl_bench.reports.sinks.tensorboard_sink import TensorBoardSink
from cl_bench.reports.sinks.wandb_sink import Place, WandbSink


def main() -> None:
    with tempfile.TemporaryDirectory() as out:
        command = ["run", "--method", "keeplora", "--suite", "mini", "--order", "II", "--out", out]
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "cl_bench", *command], check=True, stdout=subprocess.DEVNULL
        )
        whole = time.perf_counter() - start
        (log,) = Path(out).rglob("events.jsonl")
        run = read_run(log.parent)
        print(f"the run: {whole:.1f} s, {len(run.events)} events")
        report("its log", whole, lambda: write_again(run.events, Path(out) / "again"))
        report("W&B offline", whole, lambda: followed(run.path, WandbSink(Place("offline"))))
        report("TensorBoard", whole, lambda: followed(run.path, TensorBoardSink(Path(out) / "tb")))


def followed(path: Path, sink: Sink) -> None:
    """The process that feeds a sink, over the whole log at once; its wall time is not the run's."""
    with following(path, [sink], print) as tell:
        tell(Resumed(learned=0))


def write_again(events: list[Event], path: Path) -> None:
    path.mkdir()
    folder = RunFolder(path)
    for event in events:
        folder.log(event)


def report(name: str, whole: float, work: Callable[[], object]) -> None:
    wall, before = time.perf_counter(), os.times()
    work()
    wall, after = time.perf_counter() - wall, os.times()
    cpu = sum(after[:4]) - sum(before[:4])  # of this process and of children that have ended
    print(
        f"{name}: {wall:.2f} s = {100 * wall / whole:.2f} %; "
        f"processor {cpu:.2f} s = {100 * cpu / whole:.2f} %"
    )


if __name__ == "__main__":
    main()
