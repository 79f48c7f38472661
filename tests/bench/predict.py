"""What `run --dry-run` predicts against what the run takes, for every method on the mini suite.

Each method is predicted and run in this process, one right after the other, with one thread, so that
other work on the machine slows both alike; one that is off is tried again. Where other work comes and
goes, `--processor-time` reads another clock. Ends with code 1 where a method's whole time is more than
30 % off.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import torch

from cl_bench.benchmark.estimate.expected import PHASES
from cl_bench.benchmark.records.run_log import read_log
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.forecast import forecast
from cl_bench.experiment.resolve import resolve
from cl_bench.experiment.run import carry_out
from cl_bench.methods.catalog import BUILT_IN
from cl_bench.reports.runs.cost import Cost

BAND = 0.3
LOGGED = PHASES[1:5]  # the log has no time of the method's start and of its checkpoints
SHORTER = {"moe-adapters": ("steps=40", "selector_steps=100", "reference_steps=300")}
TRIES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=2)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--methods", default=",".join(BUILT_IN))
    parser.add_argument("--processor-time", action="store_true")
    options = parser.parse_args()
    if options.processor_time:
        time.perf_counter = time.process_time
    torch.set_num_threads(1)
    missed = [
        name
        for name in options.methods.split(",")
        if not any(_is_near(name, options.tasks, options.steps) for _ in range(TRIES))
    ]
    print(f"within {BAND:.0%}: all" if not missed else f"missed by {', '.join(missed)}")
    raise SystemExit(1 if missed else 0)


def _is_near(method: str, tasks: int, steps: int) -> bool:
    """Predict a method's run, make it, and print both; whether the whole time is in the band."""
    overrides = SHORTER.get(method, (f"steps={steps}",))
    choices = Choices(
        suite="mini", method=method, order="II", tasks=tasks, device="cpu", overrides=overrides
    )
    with tempfile.TemporaryDirectory() as out:
        plan = resolve(choices, Path(out))
        found = forecast(plan)
        carry_out(plan)
        cost = Cost.of(read_log(plan.folder / "events.jsonl"))
        files = [f for f in plan.folder.rglob("*") if f.suffix == ".safetensors"]
        stored = sum(file.stat().st_size for file in files)
    known = {phase: getattr(cost, f"{phase}_seconds") for phase in LOGGED}
    pairs = {phase: (found.seconds[phase], known[phase]) for phase in LOGGED}
    shown = ", ".join(f"{phase} {a:.1f}/{b:.1f}" for phase, (a, b) in pairs.items())
    predicted, measured = (sum(pair[i] for pair in pairs.values()) for i in (0, 1))
    ratio = predicted / measured
    print(
        f"{method:13s} {predicted:6.1f}/{measured:.1f} s = {ratio:.2f} (wanted 0.7 to 1.3): {shown}; "
        f"checkpoint {found.checkpoint / 2**20:.2f}/{stored / 2**20:.2f} MiB; measured for "
        f"{found.measured:.1f} s, played {found.is_played}",
        flush=True,
    )
    return abs(ratio - 1) <= BAND


if __name__ == "__main__":
    main()
