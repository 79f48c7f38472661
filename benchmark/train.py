"""The training loop, written out: one task, one method, a fresh optimiser."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.errors import NotFiniteError
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.precision import Scaling, autocast
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


@dataclass(frozen=True)
class Trained:
    """What training did.

    Attributes:
        steps: optimiser steps; 0 where nothing is trainable.
        step_flops: floating-point operations of the first step's loss and its gradient, as torch
            counts them: matrix products, convolutions and attention.
        skipped_steps: how many of ``steps`` changed nothing, because the scaled fp16 gradient
            overflowed; published code with mixed precision skips them, too.
    """

    steps: int
    step_flops: int
    skipped_steps: int = 0


def train(
    method: Method,
    task: TrainingTask,
    recipe: Recipe,
    steps: int,
    precision: str,
    report: Callable[[Progress], None],
) -> Trained:
    """Train whatever ``method`` declares trainable on ``task``.

    Args:
        method: after ``before_task``.
        task: where the batches come from.
        recipe: optimiser and schedule.
        steps: optimiser steps; passes over the images follow each other until they are done.
        precision: ``fp32``, or ``bf16`` or ``fp16`` for autocast (with loss scaling for fp16).
        report: called every ``REPORT_EVERY`` steps and after the last.

    Returns:
        How many steps were made, and what the first one took.

    Raises:
        NotFiniteError: the loss, the gradient or the result is not finite; names task and step.
    """
    parameters = list(method.trainable_parameters())
    if not parameters:
        return Trained(0, 0)
    optimizer, scheduler = optimiser(
        parameters, recipe, recipe.lr_of(task.name), steps, task.batches_per_epoch()
    )
    device = parameters[0].device.type
    scaling = Scaling(device, precision)
    losses: list[Tensor] = []
    counter = FlopCounterMode(display=False)
    for step, batch in enumerate(islice(task.endless(), steps), start=1):
        lr = float(optimizer.param_groups[0]["lr"])
        optimizer.zero_grad(set_to_none=True)
        with counter if step == 1 else nullcontext():
            with autocast(device, precision):
                loss = method.loss(batch)
            scaling.backward(loss)
        scaling.step(optimizer)
        if scheduler is not None:
            scheduler.step()  # also behind a skipped step, as in published code
        method.after_step(step)
        losses.append(loss.detach())
        if step % REPORT_EVERY == 0 or step == steps:
            mean = _mean_finite(losses, task.name, step)
            scaling.check(task.name, step, steps)
            report(Progress(step, steps, mean, lr))
            losses.clear()
    _check_finite(parameters, task.name)
    return Trained(steps, counter.get_total_flops(), scaling.skipped)


def optimiser(
    parameters: list[nn.Parameter], recipe: Recipe, lr: float, steps: int, steps_per_epoch: int
) -> tuple[torch.optim.Optimizer, torch.optim.lr_scheduler.LRScheduler | None]:
    """The recipe's optimiser over ``parameters`` and its schedule over ``steps`` steps.

    Args:
        parameters: what trains.
        recipe: which optimiser and schedule.
        lr: the highest learning rate.
        steps: how many steps the schedule spans.
        steps_per_epoch: for schedules that move once an epoch.

    Returns:
        The optimiser and, unless the rate is constant, what to step after each of its steps.
    """
    betas, decay = (0.9, recipe.beta2), recipe.weight_decay
    # One fused kernel: most of a small model's step is otherwise spent between a thousand tensors.
    match recipe.optimizer:
        case "adamw":
            optimizer: torch.optim.Optimizer = torch.optim.AdamW(
                parameters, lr, betas=betas, weight_decay=decay, fused=True
            )
        case "adam":
            optimizer = torch.optim.Adam(
                parameters, lr, betas=betas, weight_decay=decay, fused=True
            )
        case "sgd":
            optimizer = torch.optim.SGD(parameters, lr, momentum=0.9, weight_decay=decay)
    match recipe.schedule:
        case "constant":
            return optimizer, None
        case "onecycle":
            # It is asked for one value more than there are steps: after the last step.
            return optimizer, torch.optim.lr_scheduler.OneCycleLR(
                optimizer, max_lr=lr, total_steps=max(steps, 2)
            )
        case "warmup_cosine":
            factor = partial(warmup_cosine, steps=steps, warmup=round(recipe.warmup * steps))
        case "epoch_cosine":
            factor = partial(epoch_cosine, steps=steps, steps_per_epoch=steps_per_epoch)
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def warmup_cosine(step: int, steps: int, warmup: int) -> float:
    """Share of the learning rate at ``step`` (0, 1, ...); 0 at the last of ``steps``."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - 1 - warmup, 1)))


def epoch_cosine(step: int, steps: int, steps_per_epoch: int) -> float:
    """Share of the learning rate in the epoch that ``step`` belongs to."""
    epochs = -(-steps // steps_per_epoch)
    return math.cos(0.99 * math.pi / 2 * (step // steps_per_epoch) / max(epochs - 1, 1))


def _mean_finite(losses: list[Tensor], task: str, step: int) -> float:
    """The mean of the losses that end at ``step``; raises where one is not finite."""
    values = torch.stack(losses).float().tolist()
    for i, value in enumerate(values):
        if not math.isfinite(value):
            bad = step - len(values) + 1 + i
            raise NotFiniteError(f"the loss became {value} on task {task!r} at step {bad}")
    return float(sum(values) / len(values))


def _check_finite(parameters: list[nn.Parameter], task: str) -> None:
    """Raise where the last steps left a weight that no further loss would show."""
    if not all(bool(parameter.isfinite().all()) for parameter in parameters):
        raise NotFiniteError(f"a weight is no longer finite after the last step on task {task!r}")
