"""What torchrun starts for two_processes.py: plain LoRA at ViT-B/16, in all the processes that it starts.

``shared_steps.py SIZE STEPS``: the first process prints the seconds of each part as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.random_task import as_seen, backbone, made, random_task
from bench.timing import seconds

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.processes.group import joined, leads
from cl_bench.benchmark.rows import Division
from cl_bench.benchmark.train import Training
from cl_bench.methods.gradients import mean_gradients

BATCH, CLASSES, BATCHES = 4, 16, 4


def main() -> None:
    tiny, steps = sys.argv[1] == "tiny", int(sys.argv[2])
    clip = backbone(tiny)
    task = random_task(clip, BATCH * BATCHES, CLASSES)
    method, seen = made("lora", clip, task), as_seen(clip, task, BATCH)
    method.before_task(seen)
    training = Training(method, seen, Recipe(), steps + 1, "fp32", Division(shared=True))
    training.take_step()  # the first one counts operations, too
    taken = {"training steps": seconds(lambda: [training.take_step() for _ in range(steps)])}
    method.after_task(seen)
    taken[f"gradient pass over {BATCHES} batches"] = seconds(lambda: mean_gradients(clip, seen))
    if leads():
        print(json.dumps(taken))


if __name__ == "__main__":
    with joined():
        main()
