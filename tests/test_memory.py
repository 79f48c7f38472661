"""A batch that does not fit is said with what would; ``--micro-batch auto`` takes the largest part that fits."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from mid_task import drawn_from
from small_run import fresh, small_plan, small_stream

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.estimate.foreseen import Memory
from cl_bench.benchmark.estimate.shapes import saved_bytes
from cl_bench.benchmark.rows import WHOLE, Division
from cl_bench.benchmark.train import Progress, Training
from cl_bench.experiment import division, memory
from cl_bench.experiment.choices import choices_of
from cl_bench.experiment.forecast import forecast_memory
from cl_bench.experiment.run import run_experiment

BATCH = 32
ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"),
]


def only(free: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "available", lambda device: free)


def needed(images: int, method: str = "lora") -> int:
    """Memory of which nine tenths hold a step with the activations of some images."""
    found = forecast_memory(small_plan(method, tasks=1))
    return int(found.with_images(images, BATCH) / (1 - memory.KEPT_FREE)) + 10


def test_an_image_of_a_batch_takes_what_its_activations_take() -> None:
    one, two = (
        forecast_memory(small_plan("lora", tasks=1, overrides=(f"batch_size={size}",)))
        for size in (BATCH, 2 * BATCH)
    )
    assert two.image == pytest.approx(one.image, rel=0.01) and one.image > 1e5
    assert two.peak - one.peak == pytest.approx(BATCH * one.image, rel=0.2)
    assert two.with_images(BATCH, 2 * BATCH) == pytest.approx(one.peak, rel=0.05)
    assert Memory(100, 2.0).with_images(10, 40) == 40


@pytest.mark.parametrize(
    ("fit", "parts"), [(64, None), (BATCH, None), (31, 16), (16, 16), (11, 11), (9, 8), (1, 1)]
)
def test_auto_takes_equal_parts_of_which_each_fits(
    fit: int, parts: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    only(needed(fit), monkeypatch)
    assert division.images_at_once(small_plan("lora", tasks=1, micro_batch="auto")) == parts


def test_where_not_even_one_image_fits_auto_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    only(needed(1) - 1000, monkeypatch)
    with pytest.raises(UserError, match=r"auto: a training step with a single image takes about"):
        division.images_at_once(small_plan("lora", tasks=1, micro_batch="auto"))


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("0", "micro_batch: write a number of images from 1 up, or auto (given: '0')"),
        ("-4", "write a number of images"), ("2.5", "write a number of images"),
        ("all", "write a number of images"), ("", "write a number of images"),
    ],
)  # fmt: skip
def test_other_words_are_refused(said: str, words: str) -> None:
    with pytest.raises(UserError, match=re.escape(words)):
        choices_of({"method": "lora", "micro_batch": said})


def test_a_number_of_a_configuration_file_is_one() -> None:
    assert choices_of({"method": "lora", "micro_batch": 8}).micro_batch == "8"


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    ("method", "fit", "remedy"),
    [
        ("lora", 8, "--micro-batch 8 takes less, and gives the same gradients"),
        ("lora", 99, "--micro-batch 16 takes less"),
        ("lora", 0, "free some, or set a smaller batch_size"),
        ("moe-adapters", 99, "free some, or set a smaller batch_size"),
    ],
)
def test_a_run_that_memory_is_too_small_for_ends_in_one_line(
    method: str, fit: int, remedy: str, error: Exception, monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:  # fmt: skip
    def fail(training: Training, *_: object) -> Iterator[Progress]:
        raise error

    plan = small_plan(method, tasks=1)
    only(needed(fit, method), monkeypatch)
    monkeypatch.setattr(Training, "progress", fail)
    with pytest.raises(UserError) as told:
        memory_run(plan.config.choices, tmp_path)
    words = str(told.value)
    assert "\n" not in words and "the memory of cpu is too small" in words and remedy in words
    assert "with 32 images in a batch takes about" in words and "same command continues" in words


def memory_run(choices: dict[str, object], folder: Path) -> None:
    run_experiment(choices_of(choices), out=folder)


def test_other_errors_stay_what_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def fail(training: Training, *_: object) -> Iterator[Progress]:
        raise RuntimeError("a fault of the method")

    monkeypatch.setattr(Training, "progress", fail)
    with pytest.raises(RuntimeError, match="a fault of the method"):
        memory_run(small_plan("lora", tasks=1).config.choices, tmp_path)


def test_what_cannot_be_played_has_no_estimate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(plan: object) -> Memory:
        raise ZeroDivisionError

    monkeypatch.setattr(memory, "forecast_memory", fail)
    told = memory.does_not_fit(small_plan("lora", tasks=1), ERRORS[0])
    assert "What training takes is not known" in str(told)


def test_few_images_at_a_time_keep_few_activations() -> None:
    """The forecast's line is what torch keeps: counted on a step of which only parts are kept."""
    plan = small_plan("lora")
    method, task = fresh(plan), small_stream(plan).tasks[0]
    training = drawn_from(plan, method, task)
    method.before_task(training)
    batch = next(training.endless())

    def saved(way: Division) -> int:
        with way.used():
            return saved_bytes(lambda: method.loss(batch), set())

    assert saved(Division(images_at_once=4)) < 0.5 * saved(WHOLE)
