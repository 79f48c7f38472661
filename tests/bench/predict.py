"""What `run --dry-run` predicts against what the run takes, for methods on the mini suite.

Each method is predicted and run in this process, one right after the other, with one thread, so that
other work on the machine slows both alike; one that is off is tried again. Where other work comes and
goes, `--processor-time` reads another clock. `--methods all` takes them all.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone

from cl_bench.benchmark.estimate.expected import PHASES
from cl_bench.benchmark.records.run_log import read_log
from cl_bench.experiment.audience import Audience
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.forecast import forecast
from cl_bench.experiment.resolve import resolve
from cl_bench.experiment.run import carry_out
from cl_bench.methods.catalog import BUILT_IN
from cl_bench.reports.runs.cost import Cost

WANTED = 30  # per cent, of the whole time
SOME = "keeplora,moe-adapters"  # in the bench; all take long
LOGGED = PHASES[1:5]  # the log has no time of the method's start and of its checkpoints
SHORTER = {"moe-adapters": ("steps=40", "selector_steps=100", "reference_steps=300")}
TRIES = 3


def measure(
    tiny: bool = False,
    tasks: int = 2,
    steps: int = 60,
    methods: str = SOME,
    processor_time: bool = False,
) -> Iterator[Figure]:
    """How far off the predictions are, of the measured time; of up to three tries the nearest."""
    if processor_time:
        time.perf_counter = time.process_time
    torch.set_num_threads(1)
    chosen = BUILT_IN if methods == "all" else methods.split(",")
    chosen, tasks, steps = (["keeplora"], 1, 4) if tiny else (chosen, tasks, steps)
    for name in chosen:
        errors: list[float] = []
        while len(errors) < TRIES and (not errors or min(errors) > WANTED):
            errors.append(_error(name, tasks, steps))
        what = f"predicted time of {name} on {tasks} tasks of mini: error"
        yield Figure(what, min(errors), "%", min(errors), max(errors), f"<= {WANTED}")


def _error(method: str, tasks: int, steps: int) -> float:
    """Predict a method's run, make it, and print both; how far off the whole time is, in per cent."""
    overrides = SHORTER.get(method, (f"steps={steps}",))
    choices = Choices(
        suite="mini", method=method, order="II", tasks=tasks, device="cpu", overrides=overrides
    )
    with tempfile.TemporaryDirectory() as out:
        plan = resolve(choices, Path(out))
        found = forecast(plan)
        carry_out(plan, Audience())
        cost = Cost.of(read_log(plan.folder / "events.jsonl"))
        files = [f for f in plan.folder.rglob("*") if f.suffix == ".safetensors"]
        stored = sum(file.stat().st_size for file in files)
    known = {phase: getattr(cost, f"{phase}_seconds") for phase in LOGGED}
    pairs = {phase: (found.seconds[phase], known[phase]) for phase in LOGGED}
    shown = ", ".join(f"{phase} {a:.1f}/{b:.1f}" for phase, (a, b) in pairs.items())
    predicted, measured = (sum(pair[i] for pair in pairs.values()) for i in (0, 1))
    ratio = predicted / measured
    print(
        f"  {method:13s} {predicted:6.1f}/{measured:.1f} s = {ratio:.2f}: {shown}; "
        f"checkpoint {found.checkpoint / 2**20:.2f}/{stored / 2**20:.2f} MiB; measured for "
        f"{found.measured:.1f} s, played {found.is_played}",
        flush=True,
    )
    return 100 * abs(ratio - 1)


if __name__ == "__main__":
    run_alone(measure, __doc__)
