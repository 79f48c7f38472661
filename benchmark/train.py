"""The training loop, written out: one task, one method, a fresh optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.task import TrainingTask

REPORT_EVERY = 10  # steps between reads of the loss; each read waits for the device


@dataclass(frozen=True)
class Progress:
    """Where training stands.

    Attributes:
        step: optimiser steps done, of ``steps``.
        loss: mean loss since the last report.
        lr: learning rate of the last step.
    """

    step: int
    steps: int
    loss: float
    lr: float


class NotFiniteError(UserError):
    """The loss became infinite or not a number."""


def train(
    method: Method,
    task: TrainingTask,
    recipe: Recipe,
    epochs: int,
    precision: str,
    report: Callable[[Progress], None],
) -> int:
    """Train whatever ``method`` declares trainable on ``task``.

    Args:
        method: after ``before_task``.
        task: where the batches come from.
        recipe: optimiser and schedule.
        epochs: passes over the training images, last partial batches included.
        precision: ``fp32``, or ``bf16`` or ``fp16`` for autocast (with loss scaling for fp16).
        report: called every ``REPORT_EVERY`` steps and after the last.

    Returns:
        The number of optimiser steps; 0 where nothing is trainable.

    Raises:
        NotFiniteError: the loss is not finite; names task and step.
    """
    parameters = list(method.trainable_parameters())
    if not parameters:
        return 0
    steps = epochs * task.batches_per_epoch()
    optimizer, scheduler = optimiser(parameters, recipe, steps)
    device = parameters[0].device.type
    scaler = torch.amp.GradScaler(device, enabled=precision == "fp16")
    losses: list[Tensor] = []
    step = 0
    for _ in range(epochs):
        for batch in task.epoch():
            lr = float(optimizer.param_groups[0]["lr"])
            optimizer.zero_grad(set_to_none=True)
            with autocast(device, precision):
                loss = method.loss(batch)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            if scheduler is not None:
                scheduler.step()
            step += 1
            method.after_step(step)
            losses.append(loss.detach())
            if step % REPORT_EVERY == 0 or step == steps:
                report(Progress(step, steps, _mean_finite(losses, task.name, step), lr))
                losses.clear()
    return step


def optimiser(
    parameters: list[nn.Parameter], recipe: Recipe, steps: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler | None]:
    """AdamW over ``parameters`` and its schedule over ``steps`` steps (``None``: constant)."""
    optimizer = torch.optim.AdamW(
        parameters, lr=recipe.lr, betas=(0.9, recipe.beta2), weight_decay=recipe.weight_decay
    )
    if recipe.schedule == "constant":
        return optimizer, None
    # The schedule is asked for one value more than there are steps: after the last step.
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=recipe.lr, total_steps=max(steps, 2)
    )


def autocast(device: str, precision: str) -> torch.autocast:
    """The precision context of training and evaluation on ``device``."""
    dtype = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]
    return torch.autocast(device, dtype=dtype, enabled=precision != "fp32")


def _mean_finite(losses: list[Tensor], task: str, step: int) -> float:
    """The mean of the losses that end at ``step``; raises where one is not finite."""
    values = torch.stack(losses).float().tolist()
    for i, value in enumerate(values):
        if not math.isfinite(value):
            bad = step - len(values) + 1 + i
            raise NotFiniteError(f"the loss became {value} on task {task!r} at step {bad}")
    return float(sum(values) / len(values))
