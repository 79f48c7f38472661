"""Runs of 110 tasks: does memory, a file handle, a checkpoint or a task's time grow, and what does accuracy do?

``long_stream.py --out FOLDER --methods keeplora,lora``: one method after the other in this process, which writes
``long-stream.json`` and prints a table. A slope is that of a straight line through all tasks but the first.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from scipy.stats import linregress
from scipy.stats import t as student

import cl_bench
from cl_bench.benchmark.records.events import Evaluated, Event, Learned, Saved

WORLD = 11  # tasks
QUANTITIES = {
    "memory": "MiB the process holds",
    "handles": "open files",
    "seconds": "CPU seconds of a task's learning",
    "seconds_each": "CPU milliseconds of evaluating a task",
    "checkpoint": "MiB of the checkpoint",
}


@dataclass
class Watched:
    """What was read after every task, in their order."""

    read: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in QUANTITIES})
    protected: list[Mapping[str, float]] = field(default_factory=list)
    _used: float = 0.0
    """CPU seconds of the process at the event before."""

    def __call__(self, event: Event) -> None:
        """Read the process behind every event that ends a phase."""
        process = psutil.Process()
        match event:
            case Learned():
                self.read["seconds"].append(self._spent(process))
                self.protected.append(event.diagnostics)
            case Saved():
                self.read["checkpoint"].append(event.bytes / 2**20)
            case Evaluated():
                spent = self._spent(process)
                if event.learned:
                    self.read["seconds_each"].append(1000 * spent / len(event.accuracies))
                    self.read["memory"].append(process.memory_info().rss / 2**20)
                    self.read["handles"].append(process.num_fds())

    def _spent(self, process: psutil.Process) -> float:
        """CPU seconds since it was last asked; other processes of the machine do not count."""
        times = process.cpu_times()
        before, self._used = self._used, times.user + times.system
        return self._used - before


def slope(values: Sequence[float]) -> tuple[float, float]:
    """Growth per task of a straight line through all but the first value, and half its 95 % interval."""
    y = np.asarray(values[1:])
    if np.ptp(y) == 0:
        return 0.0, 0.0
    line = linregress(np.arange(len(y)), y)
    return line.slope, line.stderr * student.ppf(0.975, len(y) - 2)


def followed(method: str, out: Path, tasks: int, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Learn the stream; what was read after every task, and accuracies over the sequence in per cent."""
    watched = Watched()
    run = cl_bench.run(
        method, suite="mini-long", order="II", tasks=tasks, out=out, device="cpu",
        settings=settings, listen=watched,
    )  # fmt: skip
    rows = np.array([run.matrix.zero_shot, *run.matrix.rows])  # [tasks + 1, tasks]
    return {
        "read": watched.read,
        "protected": watched.protected,
        "learned": [float(rows[k, k - 1]) for k in range(1, tasks + 1)],
        "kept": [float(rows[k, :k].mean()) for k in range(1, tasks + 1)],
        "not_yet": [float(rows[k, k:].mean()) for k in range(tasks)],
        "zero_shot": rows[0].tolist(),
        "metrics": dict(run.metrics),
    }


def table(found: Mapping[str, dict[str, Any]]) -> str:
    """Per method and quantity: after the second task, at the end, and the growth per task."""
    lines = [
        "| method | what | second task | last task | growth per task |",
        "| --- | --- | --: | --: | --: |",
    ]
    for method, run in found.items():
        for name, about in QUANTITIES.items():
            values = run["read"][name]
            growth, half = slope(values)
            lines.append(
                f"| {method} | {about} | {values[1]:,.2f} | {values[-1]:,.2f} | {growth:+.4f} ± {half:.4f} |"
            )
    return "\n".join(lines)


def _occupied(dimensions: Mapping[str, float], tower: str) -> str:
    """Protected dimensions of a tower's matrices: their mean, and the least and the most."""
    of = [n for name, n in dimensions.items() if name.startswith(f"subspace/{tower}.")]
    return f"{np.mean(of):.1f} ({min(of):.0f} to {max(of):.0f})" if of else "-"


def rounds(found: Mapping[str, dict[str, Any]]) -> str:
    """Per method and world: protected dimensions of both towers, and accuracies in per cent."""
    lines = [
        "| method | tasks | protected, vision | protected, text | before any | right after each | kept of all so far |",
        "| --- | --: | --: | --: | --: | --: | --: |",
    ]
    for method, run in found.items():
        for end in range(WORLD, len(run["learned"]) + 1, WORLD):
            part = slice(end - WORLD, end)
            dimensions = run["protected"][end - 1]
            towers = [_occupied(dimensions, tower) for tower in "vt"]
            accuracies = (
                np.mean(run["zero_shot"][part]), np.mean(run["learned"][part]), run["kept"][end - 1]
            )  # fmt: skip
            lines.append(
                f"| {method} | {end} | {' | '.join(towers)} | "
                + " | ".join(f"{a:.1f}" for a in accuracies)
                + " |"
            )
    return "\n".join(lines)


def main() -> None:
    """Follow every method, write what was read, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--methods", default="keeplora,lora,moe-adapters")
    parser.add_argument("--tasks", type=int, default=110)
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--shares", type=float, help="feature shares of KeepLoRA, both towers")
    parser.add_argument("--out", type=Path, default=Path("runs/long-stream"))
    given = parser.parse_args()
    settings: dict[str, Any] = {"epochs": given.epochs}
    if given.shares is not None:
        settings |= {f"{tower}_feature_share": given.shares for tower in ("vision", "text")}
    found = {}
    for method in given.methods.split(","):
        found[method] = followed(method, given.out, given.tasks, settings)
        (given.out / "long-stream.json").write_text(json.dumps(found))
    sys.stdout.write(f"{table(found)}\n\n{rounds(found)}\n")


if __name__ == "__main__":
    main()
