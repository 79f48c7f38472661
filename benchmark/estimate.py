"""What a run will cost: one training step on random images is timed and multiplied."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.cost import Stopwatch, peak_memory
from cl_bench.benchmark.task import Batch, LabelSpace


@dataclass(frozen=True)
class Estimate:
    """Expected cost of a run, measured as if every weight trained on one batch a step.

    Adapters take less; a method that passes further images through the model takes more.

    Attributes:
        train_seconds: all optimizer steps.
        evaluate_seconds: all test images after every task.
        memory: bytes at the peak; of the GPU where there is one, else of the process.
        disk: bytes of two checkpoints of all weights, the most that is kept at a time.
    """

    train_seconds: float
    evaluate_seconds: float
    memory: int
    disk: int


def estimate(
    clip: Clip, labels: LabelSpace, batch_size: int, steps: int, evaluated_images: int
) -> Estimate:
    """Time one training step and one evaluation batch on the model's device.

    Args:
        clip: on the device of the run; left without gradients.
        labels: a typical task's classes.
        batch_size: training images per step.
        steps: optimizer steps of the run.
        evaluated_images: images classified during the run, every time counted.
    """
    images = torch.randn(batch_size, 3, clip.image_size, clip.image_size, device=clip.device)
    targets = torch.zeros(batch_size, dtype=torch.long, device=clip.device)
    batch = Batch(
        images, targets, labels.first_prompts(), torch.arange(batch_size, device=clip.device)
    )

    def step() -> None:
        clip.cross_entropy(batch).backward()

    def look() -> None:
        with torch.no_grad():
            clip.encode_images(images)

    clip.requires_grad_(True)
    step_seconds = _seconds(step, clip.device)
    clip.requires_grad_(False).zero_grad(set_to_none=True)
    look_seconds = _seconds(look, clip.device)
    peak = peak_memory(clip.device)
    return Estimate(
        train_seconds=steps * step_seconds,
        evaluate_seconds=evaluated_images / batch_size * look_seconds,
        memory=peak.get("gpu", peak["process"]),
        disk=2 * sum(t.numel() * t.element_size() for t in clip.state_dict().values()),
    )


def _seconds(work: Callable[[], None], device: torch.device) -> float:
    """Wall-clock seconds of the second of two calls: the first one also prepares the device."""
    watch = Stopwatch(device)
    for call in ("first", "second"):
        with watch.phase(call):
            work()
    return watch.seconds["second"]
