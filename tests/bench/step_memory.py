"""Peak memory of one training step at ViT-B/16: ``python tests/bench/step_memory.py zscl``.

Random weights and images: memory depends on neither. One process per measurement.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.cost import peak_memory
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.task import LabelSpace, Task, TaskStream, TrainingTask
from cl_bench.benchmark.train import train
from cl_bench.datasets import backbones
from cl_bench.methods.catalog import BUILT_IN, find_method


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("method", choices=BUILT_IN)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.manual_seed(0)
    clip = backbones.load(backbones.parse("ViT-B-16-quickgelu:random"), options.device)
    pixels = torch.randint(256, (options.batch_size, 3, 224, 224), dtype=torch.uint8)
    images = Images(pixels, torch.arange(options.batch_size) % options.classes)
    names = tuple(f"class number {i}" for i in range(options.classes))
    task = Task("random", LabelSpace.from_templates(names, ("a photo of a {}.",)), images, images)
    entry = find_method(options.method)
    settings = entry.defaults("config", "fair", "") | (
        {"selector_steps": 1, "reference_steps": 1} if options.method == "moe-adapters" else {}
    )
    assets = Assets(images, names, _selector, TaskStream("random", (task,)))
    method = entry.method(clip, entry.method.Config(**settings), assets)
    training = TrainingTask(task, clip.normaliser(), options.batch_size, torch.Generator())
    method.before_task(training)
    start = time.perf_counter()
    train(method, training, Recipe(weight_decay=0), 1, "fp32", lambda progress: None)
    seconds = time.perf_counter() - start
    peaks = ", ".join(f"{k} {v / 2**30:.1f} GiB" for k, v in peak_memory(clip.device).items())
    trainable = sum(p.numel() for p in method.trainable_parameters())
    print(
        f"{options.method}, ViT-B/16, batch {options.batch_size}, {options.classes} classes: peak "
        f"{peaks}; {trainable:,} trainable; the step took {seconds:.1f} s on {options.device}"
    )


def _selector(images: Tensor) -> Tensor:
    return images[:, :, ::8, ::8].flatten(1)


if __name__ == "__main__":
    main()
