"""What it costs to keep where a task stands: the copy that training waits for, and the file beside it.

On a processor with as many threads as cores, the file's time is training's, too: both count.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone
from bench.timing import seconds
from mid_task import Learner, drawn_from
from small_run import fresh, small_plan, small_stream

from cl_bench.benchmark import mid_task
from cl_bench.benchmark.checkpoint import Snapshot
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.mid_task import MidTask
from cl_bench.benchmark.train import Training

MINUTE = 60.0  # seconds between two states


def measure(tiny: bool = False, repeats: int = 9) -> Iterator[Figure]:
    """The tiny CLIP on mini: KeepLoRA's state, and the largest there is, of all weights with moments."""
    for name in ("keeplora", "finetune"):
        copied, written, size = _taken(name, 2 if tiny else repeats)
        of = f"{name} on mini, {size / 2**20:.1f} MiB"
        shares = [100 * (a + b) / MINUTE for a, b in zip(copied, written, strict=True)]
        yield Figure.of(f"a state within a task is copied ({of})", copied, "s")
        yield Figure.of(f"a state within a task is written ({of})", written, "s")
        yield Figure.of(
            f"both, at one state per minute, of the run's time ({of})", shares, "%", "< 1"
        )


def _taken(name: str, repeats: int) -> tuple[list[float], list[float], int]:
    """Seconds of the copies and of the files, and the bytes of a file."""
    plan = small_plan(name)
    task, method = small_stream(plan).tasks[0], fresh(plan)
    training = drawn_from(plan, method, task)
    method.before_task(training)
    learner = Learner.of(plan, method, training).training
    assert learner is not None
    learner.take_step()
    copied, written = list[float](), list[float]()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(repeats):
            made: list[Snapshot] = []
            copied.append(seconds(partial(_copy, method, learner, made)))
            written.append(seconds(partial(mid_task.write, Path(folder), 1, 1, made[0])))
        (file,) = mid_task.kept(Path(folder))
        return copied, written, file.stat().st_size


def _copy(method: Method, training: Training, made: list[Snapshot]) -> None:
    standing = MidTask(1, {}, method.state_dict(), training.state_dict())
    made.append(standing.snapshot({"place": 1}))


if __name__ == "__main__":
    run_alone(measure, __doc__)
