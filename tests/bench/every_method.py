"""Every method's step and passes on random images, in every precision."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from bench.arithmetic import PRECISIONS, arithmetic, check
from bench.figures import Figure
from bench.random_task import as_seen, made, random_task
from bench.timing import finish, seconds

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.method import all_parameters
from cl_bench.benchmark.train import Training
from cl_bench.methods.catalog import BUILT_IN, find_method

FIRST = ("keeplora", "lora", "zscl", "moe-adapters")  # one of every kind; then the others
LEAST_RATE = 1e-9  # of learning: random weights stay what they are
LEFT = {"moe-adapters": 1}  # waits, with their reason in tests/test_waits.py
BATCHES = 2  # of a task
WAITED = "called a synchronizing CUDA operation"  # what torch warns of


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


@dataclass(frozen=True)
class Case:
    """A method in a precision, with a number of classes."""

    method: str
    precision: str
    classes: int

    def __str__(self) -> str:
        return f"{self.method}, {self.precision}, {self.classes} classes"


LEFT_OUT = {"lada"}  # its clusters are scikit-learn's, which a bare GPU machine may lack


def cases(classes: Sequence[int]) -> list[Case]:
    """All methods, those that are less alike first; the published precision and fewer classes first."""
    known = (name for name in BUILT_IN if name not in LEFT_OUT)
    names = sorted(known, key=lambda name: name not in FIRST)
    return [Case(name, p, c) for c in classes for p in PRECISIONS for name in names]


def learned(clip: Clip, sizes: Sizes, case: Case, plain: float | None) -> Iterator[Figure]:
    """Learn a task: what is before the steps, the steps, what is after them.

    Args:
        clip: nothing changes it.
        sizes: of the work.
        case: which method, and how.
        plain: seconds of the plain loop's step, if they are known.
    """
    task = random_task(clip, BATCHES * sizes.images, case.classes)
    method = made(case.method, copy.deepcopy(clip), task)
    seen = as_seen(method.clip, task, sizes.images)
    words = f"{case.method} ({sizes.words(case.classes, case.precision)})"
    with arithmetic(case.precision) as called:
        passes = seconds(lambda: method.before_task(seen), sizes.device)
        if all_parameters(method.trainable_parameters()):
            training = Training(method, seen, _recipe(case.method), 10**6, called)
            yield from _steps(training, sizes, case, plain, words)
        passes += seconds(lambda: method.after_task(seen), sizes.device)
    yield Figure(f"passes before and after {BATCHES} batches of {words}", passes, "s")


def _recipe(name: str) -> Recipe:
    published = find_method(name).defaults("recipe", "fair", "")
    return Recipe.model_validate(published | {"lr": LEAST_RATE, "schedule": "constant"})


def _steps(
    training: Training, sizes: Sizes, case: Case, plain: float | None, words: str
) -> Iterator[Figure]:
    training.take_step()  # counts its operations
    check(case.precision, sizes.device, training.take_step)
    taken = [seconds(training.take_step, sizes.device) for _ in range(sizes.repeats)]
    yield Figure.of(f"step of {words}", taken, "s")
    if plain is not None:
        ratios = [plain / s for s in taken]
        yield Figure.of(f"step of {words} against KeepLoRA's plain loop", ratios, "x")
    if sizes.device.startswith("cuda"):
        count, wanted = waits_on_gpu(training.take_step), f"<= {LEFT.get(case.method, 0)}"
        yield Figure(f"waits a step of {words}", count, "waits", wanted=wanted)


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
    return sum(WAITED in str(w.message) for w in caught) / steps
