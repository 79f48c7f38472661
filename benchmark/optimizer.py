"""The recipe's optimizer over groups of parameters, and how their rates change from step to step."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from cl_bench.benchmark.config import Recipe
from cl_bench.benchmark.method import ParameterGroup

END = 1e-3  # share of the learning rate at which ``step_cosine`` ends

Schedule = torch.optim.lr_scheduler.LRScheduler


def make_optimizer(
    trainable: Iterable[nn.Parameter | ParameterGroup],
    recipe: Recipe,
    lr: float,
    steps: int,
    steps_per_epoch: int,
) -> tuple[torch.optim.Optimizer, Schedule | None]:
    """The recipe's optimizer over what trains and its schedule over ``steps`` steps.

    Args:
        trainable: parameters, and groups with a rate or a weight decay of their own.
        recipe: which optimizer and schedule.
        lr: the highest learning rate.
        steps: how many steps the schedule spans.
        steps_per_epoch: for schedules that move once an epoch.

    Returns:
        The optimizer and, unless the rate is constant, what to step after each of its steps. The
        schedule moves the rate of every group in the same proportion.
    """
    groups, betas = _groups(trainable, lr, recipe.weight_decay), (0.9, recipe.beta2)
    # One fused kernel: most of a small model's step is otherwise spent between a thousand tensors.
    match recipe.optimizer:
        case "adamw":
            optimizer: torch.optim.Optimizer = torch.optim.AdamW(groups, betas=betas, fused=True)
        case "adam":
            optimizer = torch.optim.Adam(groups, betas=betas, fused=True)
        case "sgd":
            optimizer = _sgd(groups, recipe.momentum)
    return optimizer, _schedule(optimizer, recipe, steps, steps_per_epoch)


def _sgd(groups: list[dict[str, Any]], momentum: float) -> torch.optim.SGD:
    """SGD, fused on a GPU, which then skips an overflowed fp16 step by itself.

    Not fused, torch asks the GPU in every step. Fused, it takes the first momentum for known although
    that step was skipped and nothing was written; it starts at zero here, which is the same.
    """
    parameters = [p for group in groups for p in group["params"]]
    on_gpu = all(p.is_cuda for p in parameters)
    optimizer = torch.optim.SGD(groups, momentum=momentum, fused=on_gpu or None)
    for parameter in parameters if on_gpu and momentum else ():
        optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def _groups(
    trainable: Iterable[nn.Parameter | ParameterGroup], lr: float, weight_decay: float
) -> list[dict[str, Any]]:
    """What torch's optimizers take; the parameters that are in no group come first, as one."""
    given = list(trainable)
    named = [item for item in given if isinstance(item, ParameterGroup)]
    alone = [item for item in given if not isinstance(item, ParameterGroup)]
    return [
        {
            "params": list(group.parameters),
            "lr": lr * group.lr_scale,
            "weight_decay": weight_decay if group.weight_decay is None else group.weight_decay,
        }
        for group in [*([ParameterGroup(alone)] if alone else []), *named]
    ]


def _schedule(
    optimizer: torch.optim.Optimizer, recipe: Recipe, steps: int, steps_per_epoch: int
) -> Schedule | None:
    match recipe.schedule:
        case "constant":
            return None
        case "onecycle":
            # It is asked for one value more than there are steps: after the last step.
            return torch.optim.lr_scheduler.OneCycleLR(
                optimizer,
                max_lr=[group["lr"] for group in optimizer.param_groups],
                total_steps=max(steps, 2),
            )
        case "warmup_cosine":
            factor = partial(warmup_cosine, steps=steps, warmup=round(recipe.warmup * steps))
        case "epoch_cosine":
            factor = partial(epoch_cosine, steps=steps, steps_per_epoch=steps_per_epoch)
        case "step_cosine":
            factor = partial(step_cosine, steps=steps)
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def warmup_cosine(step: int, steps: int, warmup: int) -> float:
    """Share of the learning rate at ``step`` (0, 1, ...); 0 at the last of ``steps``."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(steps - 1 - warmup, 1)))


def epoch_cosine(step: int, steps: int, steps_per_epoch: int) -> float:
    """Share of the learning rate in the epoch that ``step`` belongs to."""
    epochs = -(-steps // steps_per_epoch)
    return math.cos(0.99 * math.pi / 2 * (step // steps_per_epoch) / max(epochs - 1, 1))


def step_cosine(step: int, steps: int) -> float:
    """Share of the learning rate at ``step`` (0, 1, ...): 1 at the first, ``END`` at the last of ``steps``."""
    return END + (1 - END) * warmup_cosine(step, steps, warmup=0)


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """Moments and rates as a checkpoint keeps them: string keys, tensors and JSON values."""
    state = optimizer.state_dict()
    moments = {str(i): values for i, values in state["state"].items()}
    return {"moments": moments, "groups": state["param_groups"]}


def load_optimizer_state(optimizer: torch.optim.Optimizer, kept: Mapping[str, Any]) -> None:
    """Undo ``optimizer_state`` over the same parameters.

    A moment lies in memory as its parameter does, which torch's fused kernels rely on.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments = {int(i): values for i, values in kept.get("moments", {}).items()}
    laid_out = {
        i: {name: _like(value, parameters[i]) for name, value in values.items()}
        for i, values in moments.items()
    }
    groups = [
        {k: tuple(v) if k == "betas" else v for k, v in group.items()} for group in kept["groups"]
    ]
    optimizer.load_state_dict({"state": laid_out, "param_groups": groups})


def _like(value: Any, parameter: nn.Parameter) -> Any:
    """A moment in its parameter's layout and place; a step count or ``None`` as it is."""
    if not isinstance(value, Tensor) or value.shape != parameter.shape:
        return value
    return torch.empty_like(parameter, requires_grad=False).copy_(value)
