"""KeepLoRA's work in several ways on the same images: as it is, as a plain loop, and the least there is."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from bench.plain import PlainLoop, factors_of, training_step
from bench.random_task import as_seen, made
from torch import Tensor, nn

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.evaluate import EVALUATION_BATCH, predict
from cl_bench.benchmark.precision import autocast
from cl_bench.benchmark.task import Task
from cl_bench.benchmark.train import Training
from cl_bench.methods.features import BatchMean, task_grams
from cl_bench.methods.gradients import mean_gradients
from cl_bench.methods.keeplora import KeepLoRA

OURS, PLAIN, BOUND, BARE = "cl-bench", "plain loop", "bound", "bare tower"
Ways = dict[str, Callable[[], object]]


@dataclass(frozen=True)
class SideBySide:
    """What is compared on one task.

    Attributes:
        clip: nothing that is compared changes it.
        task: some batches of images.
        batch_size: images in a batch.
        precision: ``fp32``, ``bf16`` or ``fp16``.
    """

    clip: Clip
    task: Task
    batch_size: int
    precision: str = "fp32"

    def steps(self) -> Ways:
        """One training step: as it is, plain, and the bound, with gradients of activations alone."""
        method = made(
            "keeplora", copy.deepcopy(self.clip), self.task,
            vision_weight_share=0, text_weight_share=0, direction="random",
        )  # fmt: skip
        assert isinstance(method, KeepLoRA)
        method.before_task(seen := as_seen(method.clip, self.task, self.batch_size))
        training = Training(method, seen, Recipe(schedule="constant"), 10**6, self.precision)
        return {OURS: training.take_step, PLAIN: self._plain_step(method), BOUND: self._bound()}

    def _plain_step(self, method: KeepLoRA) -> Callable[[], object]:
        plain = PlainLoop(self.clip)
        trained = plain.adapt(factors_of(method), method.config.alpha / method.config.rank)
        step = training_step(plain, trained, self.precision)
        batches = as_seen(self.clip, self.task, self.batch_size).endless()
        return lambda: step(next(batches))

    def _bound(self) -> Callable[[], object]:
        clip = copy.deepcopy(self.clip).requires_grad_(False)
        for blocks in clip.blocks().values():
            blocks[0].register_forward_pre_hook(_asks_for_a_gradient)
        batches = as_seen(clip, self.task, self.batch_size).endless()

        def step() -> None:
            with autocast(clip.device.type, self.precision):
                loss = clip.cross_entropy(next(batches))
            loss.backward()

        return step

    def gradient_passes(self) -> Ways:
        """The mean gradient over all whole batches; ours as the runner asks for it, in fp32 always."""
        plain = PlainLoop(self.clip)
        return {
            OURS: lambda: mean_gradients(self.clip, self._seen()),
            PLAIN: self._in_precision(lambda: plain.gradients(self._batches())),
        }

    def feature_passes(self) -> Ways:
        """The features' statistic of KeepLoRA's published code; ours in fp32 always, as in a run."""
        plain, labels = PlainLoop(self.clip), self.task.labels
        return {
            OURS: lambda: task_grams(self.clip, self._seen(), BatchMean, padded=True),
            PLAIN: self._in_precision(lambda: plain.features(self._batches(), labels)),
        }

    def evaluations(self) -> Ways:
        """All images classified; ours with classes encoded before, as for a whole data set."""
        plain, normalise = PlainLoop(self.clip), self.clip.normaliser()
        parts = self.task.test.pixels.split(self.batch_size)
        with torch.no_grad(), autocast(self.clip.device.type, self.precision):
            classify = made("zero-shot", self.clip, self.task).classifier(self.task.labels)

        def bare() -> list[Tensor]:
            large = self.task.test.pixels.split(EVALUATION_BATCH)
            return [self.clip.model.visual(normalise(part)) for part in large]

        def plainly() -> Tensor:
            return plain.predict(map(normalise, parts), self.task.labels)

        ways = {
            BARE: bare,
            OURS: lambda: predict(classify, self.task.test, normalise),
            PLAIN: plainly,
        }
        return {name: torch.no_grad()(self._in_precision(way)) for name, way in ways.items()}

    def classes(self) -> Ways:
        """The classes of the task encoded, as once for every data set."""
        encode = self._in_precision(lambda: self.clip.encode_classes(self.task.labels))
        return {"classes": torch.no_grad()(encode)}

    def _seen(self) -> Any:
        return as_seen(self.clip, self.task, self.batch_size)

    def _batches(self) -> Any:
        return self._seen().epoch(drop_last=True, plain=True)

    def _in_precision(self, work: Callable[[], object]) -> Callable[[], object]:
        def done() -> object:
            with autocast(self.clip.device.type, self.precision):
                return work()

        return done


def _asks_for_a_gradient(module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    return (inputs[0].detach().requires_grad_(True), *inputs[1:])
