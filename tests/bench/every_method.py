"""Every method's step and passes on random images, in every precision, one task after the other."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from bench.arithmetic import PRECISIONS, arithmetic, check
from bench.figures import Figure
from bench.random_task import as_seen, made, random_task
from bench.timing import finish, seconds

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.method import Method, all_parameters
from cl_bench.benchmark.task import Task
from cl_bench.benchmark.train import Training
from cl_bench.methods.catalog import BUILT_IN, find_method

FIRST = ("keeplora", "lora", "zscl", "moe-adapters")  # one of every kind; then the others
LEAST_RATE = 1e-9  # of learning: random weights stay what they are
LEFT = {"moe-adapters": 1}  # waits, with their reason in tests/test_waits.py
BATCHES = 2  # of a task


@dataclass(frozen=True)
class Sizes:
    """What is measured.

    Attributes:
        images: in a batch.
        classes: two numbers of classes.
        repeats: of what is short.
        model: in words.
        device: where.
    """

    images: int
    classes: tuple[int, int]
    repeats: int
    model: str
    device: str

    def words(self, classes: int, precision: str) -> str:
        """As the names of figures have them."""
        return f"{self.model}, {self.images} images, {classes} classes, {precision}, {self.device}"


def every_method(
    clip: Clip, sizes: Sizes, plain_steps: Mapping[tuple[int, str], float]
) -> Iterator[Figure]:
    """The first number of classes for all methods, then the second.

    Args:
        clip: nothing changes it.
        sizes: of the work.
        plain_steps: seconds of the plain loop's step, by classes and precision, as far as known.
    """
    for classes in sizes.classes:
        task = random_task(clip, BATCHES * sizes.images, classes)
        for name in sorted(BUILT_IN, key=lambda name: name not in FIRST):
            method = made(name, copy.deepcopy(clip), task)
            for precision in PRECISIONS:
                plain = plain_steps.get((classes, precision))
                words = f"{name} ({sizes.words(classes, precision)})"
                with arithmetic(precision) as called:
                    yield from _a_task(name, method, task, sizes, called, precision, plain, words)


def _a_task(
    name: str,
    method: Method,
    task: Task,
    sizes: Sizes,
    called: str,
    precision: str,
    plain: float | None,
    words: str,
) -> Iterator[Figure]:
    """Learn a task: what is before the steps, the steps, what is after them."""
    seen = as_seen(method.clip, task, sizes.images)
    before = seconds(lambda: method.before_task(seen), sizes.device)
    if all_parameters(method.trainable_parameters()):
        recipe = Recipe.model_validate(
            find_method(name).defaults("recipe", "fair", "")
            | {"lr": LEAST_RATE, "schedule": "constant"}
        )
        training = Training(method, seen, recipe, 10**6, called)
        training.take_step()  # counts its operations
        check(method.clip, precision, training.take_step)
        taken = [seconds(training.take_step, sizes.device) for _ in range(sizes.repeats)]
        yield Figure.of(f"step of {words}", taken, "s")
        if plain is not None:
            ratios = [plain / s for s in taken]
            yield Figure.of(f"step of {words} against KeepLoRA's plain loop", ratios, "x")
        if sizes.device.startswith("cuda"):
            count, wanted = waits_on_gpu(training.take_step), f"<= {LEFT.get(name, 0)}"
            yield Figure(f"waits a step of {words}", count, "waits", wanted=wanted)
    after = seconds(lambda: method.after_task(seen), sizes.device)
    yield Figure(f"passes before and after {BATCHES} batches of {words}", before + after, "s")


def waits_on_gpu(step: Callable[[], object], steps: int = 3) -> float:
    """How often torch says that a step waited for the GPU."""
    finish("cuda")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            for _ in range(steps):
                step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    finish("cuda")
    return sum("synchroniz" in str(w.message) for w in caught) / steps
