"""What torchrun starts for two_processes.py: phases of KeepLoRA at ViT-B/16, in all the processes that it starts.

``shared_steps.py SIZE STEPS``: the first process prints the seconds of each phase as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.random_task import as_seen, backbone, made, random_task
from bench.timing import seconds

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.evaluate import predict_all
from cl_bench.benchmark.processes.group import joined, leads
from cl_bench.benchmark.rows import Division
from cl_bench.benchmark.train import Training

BATCH, CLASSES, BATCHES = 16, 100, 2


def main() -> None:
    tiny, steps = sys.argv[1] == "tiny", int(sys.argv[2])
    clip = backbone(tiny)
    task = random_task(clip, BATCH * BATCHES, CLASSES)
    method, seen = made("keeplora", clip, task), as_seen(clip, task, BATCH)
    taken = {"passes before a task": seconds(lambda: method.before_task(seen))}
    training = Training(method, seen, Recipe(), steps + 1, "fp32", Division(shared=True))
    training.take_step()  # the first one counts operations, too
    taken["training steps"] = seconds(lambda: [training.take_step() for _ in range(steps)])
    taken["pass after a task"] = seconds(lambda: method.after_task(seen))
    spaces, tests = {task.name: seen.labels}, {task.name: task.test}
    taken["evaluation"] = seconds(lambda: predict_all(method, spaces, tests, "fp32"))
    if leads():
        print(json.dumps(taken))


if __name__ == "__main__":
    with joined():
        main()
