"""Peak memory of one training step at ViT-B/16, every method in a process of its own.

Random weights and images: memory depends on neither.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone
from bench.random_task import as_seen, backbone, made, random_task

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.cost import peak_memory
from cl_bench.benchmark.train import train


def measure(
    tiny: bool = False,
    methods: str = "zscl,moe-adapters",
    batch_size: int = 64,
    classes: int = 100,
    device: str = "cpu",
) -> Iterator[Figure]:
    """Of the process, and of the GPU where there is one; at the tiny CLIP's size where ``tiny``."""
    batch_size, classes = (2, 3) if tiny else (batch_size, classes)
    for name in methods.split(","):
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            peaks = process.submit(_peaks, name, tiny, batch_size, classes, device).result()
        model = "tiny CLIP" if tiny else "ViT-B/16"
        for where, peak in peaks.items():
            sizes = f"{model}, {batch_size} images, {classes} classes, fp32"
            what = f"peak memory of a training step of {name}, {where} ({sizes})"
            yield Figure(what, peak / 2**30, "GiB")


def _peaks(name: str, tiny: bool, batch_size: int, classes: int, device: str) -> dict[str, int]:
    clip = backbone(tiny, device)
    task = random_task(clip, batch_size, classes)
    method, seen = made(name, clip, task), as_seen(clip, task, batch_size)
    method.before_task(seen)
    train(method, seen, Recipe(weight_decay=0), 1, "fp32", lambda progress: None)
    return peak_memory(clip.device)


if __name__ == "__main__":
    run_alone(measure, __doc__)
