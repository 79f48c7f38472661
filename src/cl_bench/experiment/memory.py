"""Whether a run fits into memory: a training batch, by the forecast of the run, and its method's matrices."""

from __future__ import annotations

import math

import psutil
import torch

from cl_bench.benchmark.errors import UserError, in_one_line
from cl_bench.benchmark.estimate.foreseen import Memory
from cl_bench.benchmark.large_matrices import LargeMatrices
from cl_bench.experiment.forecast import forecast_memory
from cl_bench.experiment.large_matrices import large_matrices
from cl_bench.experiment.resolve import Plan

KEPT_FREE = 0.1  # of what is available: forecasts are not exact, and memory has gaps


def largest_that_fits(plan: Plan) -> int | None:
    """The largest part of a batch whose activations fit; ``None``: the whole batch.

    Raises:
        UserError: not even those of one image fit.
    """
    batch, free = plan.config.budget.batch_size, available(plan.config.device)
    memory = forecast_memory(plan)
    most = _fitting(memory, batch, free)
    if most == 0:
        raise UserError(
            f"--micro-batch auto: a training step with a single image takes about "
            f"{_gib(memory.with_images(1, batch))}, and {_gib(free)} of memory are available"
        )
    return None if most >= batch else math.ceil(batch / math.ceil(batch / most))  # equal parts


def does_not_fit(plan: Plan, error: BaseException) -> UserError:
    """What to say of a run that memory was too small for: how much it takes, and what would fit."""
    device = plan.config.device
    return UserError(
        f"the memory of {device} is too small ({in_one_line(error)[:120]}). {_estimate(plan)}. What is "
        "learned so far is kept: the same command continues it"
    )


def _estimate(plan: Plan) -> str:
    """How much training takes, and a remedy."""
    batch, free = plan.config.budget.batch_size, available(plan.config.device)
    try:
        memory = forecast_memory(plan)
    except Exception:  # whatever a method's code raises where it cannot be played
        return f"What training takes is not known; {_gib(free)} are available"
    takes = (
        f"Training with {batch} images in a batch takes about {_gib(memory.peak)}, and {_gib(free)} "
        "are available"
    )
    most = _fitting(memory, batch, free) if plan.entry.method.row_by_row else 0
    if most == 0:
        return f"{takes}: free some, or set a smaller batch_size, which makes another run of it"
    parts = most if most < batch else max(batch // 2, 1)  # the estimate is too low
    return f"{takes}: --micro-batch {parts} takes less, and gives the same gradients"


def must_fit(plan: Plan, features: int) -> None:
    """Refuse a run whose method's matrices memory is too small for, before its images are read.

    Args:
        plan: of the run.
        features: numbers of an image's feature.

    Raises:
        UserError: as ``refusal`` says it.
    """
    if words := refusal(plan, large_matrices(plan, features)):
        raise UserError(words)


def refusal(plan: Plan, matrices: LargeMatrices | None) -> str | None:
    """Which matrices, how large they are, how much memory there is, and what to do; ``None``: they fit."""
    if matrices is None:
        return None
    free = available(plan.config.device)
    if matrices.at_once <= (1 - KEPT_FREE) * free:
        return None
    return (
        f"{plan.config.method} holds {matrices.what}: {_gib(matrices.at_once)} at a time, and "
        f"{_gib(free)} of memory are available on {plan.config.device}. {matrices.remedy}"
    )


def available(device: str) -> int:
    """Bytes of memory that a run on a device may still take."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    return int(psutil.virtual_memory().available)


def _fitting(memory: Memory, batch: int, free: int) -> int:
    """How many images' activations fit, of those of a batch; 0: not even one image's."""
    room = (1 - KEPT_FREE) * free - memory.with_images(0, batch)
    if room < memory.image:
        return 0
    return batch if memory.image == 0 else min(batch, int(room / memory.image))


def _gib(size: int) -> str:
    gib = size / 2**30
    return f"{gib:,.0f} GiB" if gib >= 1000 else f"{gib:.3g} GiB"
