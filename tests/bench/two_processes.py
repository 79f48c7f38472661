"""Two processes on two cores against one process, each with one thread: low-rank updates at ViT-B/16.

As torchrun starts them; start-up is not counted. A process takes every second batch of a pass, and half of the
images and prompts of a training batch; both do the data, the loss and the optimizer's step in full.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone

WORKER = Path(__file__).with_name("shared_steps.py")
WANTED = {"training steps": ">= 1.5"}


def seconds(processes: int, size: str, steps: int) -> dict[str, float]:
    """Of every phase."""
    launcher = ("-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}")
    command = [sys.executable, "-P", *launcher, str(WORKER), size, str(steps)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    taken: dict[str, float] = json.loads(ended.stdout)
    return taken


def measure(tiny: bool = False, steps: int = 4, rounds: int = 2) -> Iterator[Figure]:
    """In turns; at the tiny CLIP's size, once, where ``tiny``."""
    rounds = 1 if tiny else rounds
    one, two = [], []
    for _ in range(rounds):
        one.append(seconds(1, "tiny" if tiny else "full", steps))
        two.append(seconds(2, "tiny" if tiny else "full", steps))
    model = "tiny CLIP" if tiny else "ViT-B/16"
    for phase in one[0]:
        yield Figure.ratio(
            f"two processes on two cores against one, {phase} ({model}, 4 images, 16 classes)",
            [taken[phase] for taken in one],
            [taken[phase] for taken in two],
            "x",
            WANTED.get(phase, ""),
        )


if __name__ == "__main__":
    run_alone(measure, __doc__)
