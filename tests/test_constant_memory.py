"""Memory of passes, training and evaluation does not grow with images, batches and tasks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from live_bytes import LiveBytes
from small_run import small_plan, small_run

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.evaluate import EVALUATION_BATCH, predict
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.records.events import Evaluated, Event
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.datasets import backbones
from cl_bench.methods.features import BatchMean, Gram, task_grams
from cl_bench.methods.gradients import mean_gradients

BATCH = 16


@pytest.fixture(scope="module")
def clip() -> Clip:
    return backbones.load(backbones.parse("tiny-clip"), "cpu")


def images(count: int, clip: Clip) -> Images:
    pixels = torch.zeros(count, 3, clip.image_size, clip.image_size, dtype=torch.uint8)
    return Images(pixels, torch.arange(count) % 3)


def task_of(batches: int, clip: Clip) -> TrainingTask:
    labels = LabelSpace.from_templates(("a", "b", "c"), ("a {}",))
    some = images(batches * BATCH, clip)
    draw = torch.Generator().manual_seed(0)
    return TrainingTask(Task("t", labels, some, some), clip.normaliser(), BATCH, draw)


PASSES: dict[str, Callable[[Clip, TrainingTask], object]] = {
    "gradients": mean_gradients,
    "mean features": lambda clip, task: task_grams(clip, task, BatchMean, padded=False),
    "gram matrices": lambda clip, task: task_grams(clip, task, Gram, padded=False),
}


@pytest.mark.parametrize("name", PASSES)
def test_a_pass_takes_no_more_for_more_batches(name: str, clip: Clip) -> None:
    def peak(batches: int) -> int:
        task = task_of(batches, clip)
        with LiveBytes() as live:
            PASSES[name](clip, task)
        clip.zero_grad(set_to_none=True)
        return live.peak

    few, many = peak(4), peak(12)
    order = 2 * 8 * BATCH * 8 + 10_000  # order and targets of the images that came in addition
    assert few > 1e5 and abs(many - few) <= order


def test_an_evaluation_takes_no_more_for_more_images(clip: Clip) -> None:
    @torch.no_grad()
    def peak(count: int) -> int:
        text = clip.encode_prompts(["a", "b", "c"])
        some = images(count, clip)
        with LiveBytes() as live:
            predict(lambda x: clip.logits(clip.encode_images(x), text), some, clip.normaliser())
        return live.peak

    few, many = peak(2 * EVALUATION_BATCH), peak(6 * EVALUATION_BATCH)
    predictions = 4 * EVALUATION_BATCH * 8 * 6
    assert 1e6 < few <= many <= few + predictions


def test_the_seventh_task_takes_no_more_than_the_third(tmp_path: Path) -> None:
    """Of KeepLoRA, whose bases grow with every task, until they are full."""
    peaks = []

    def listen(event: Event) -> None:
        if isinstance(event, Evaluated):
            peaks.append(live.peak)
            live.peak = 0

    with LiveBytes() as live:
        small_run(small_plan("keeplora", tasks=7, overrides=("steps=2",)), tmp_path, listen=listen)
    assert len(peaks) == 8
    assert 1e6 < peaks[-1] <= 1.1 * max(peaks[1:4]), peaks
