"""A task of twelve random images, and what a test does with a method that learned it."""

from __future__ import annotations

from typing import Any

import torch
from golden_clip import golden_clip
from torch import Tensor

from cl_bench.benchmark.images import Images
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.task import Batch, LabelSpace, Task, TrainingTask

LABELS = LabelSpace.from_templates(("cat", "boat", "oak"), ("a photo of a {}.",))


def toy(seed: int, clip_normaliser: Any) -> TrainingTask:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (12, 3, 32, 32), generator=generator, dtype=torch.uint8)
    images = Images(pixels, torch.arange(12) % 3)
    task = Task(f"toy{seed}", LABELS, images, images)
    return TrainingTask(task, clip_normaliser, 4, generator)


def images_of(*seeds: int) -> Tensor:
    """Four images of each toy task, tasks one after the other."""
    normalise = golden_clip().normaliser()
    return torch.cat([next(toy(seed, normalise).epoch()).images for seed in seeds])


def stirred(method: Method, scale: float = 0.05) -> None:
    """Move whatever trains, as training would."""
    with torch.no_grad():
        for p in method.trainable_parameters():
            p.add_(scale * torch.randn_like(p))


def features(method: Method, batch: Batch) -> Tensor:
    with torch.no_grad():
        return method.clip.encode_images(batch.images)
