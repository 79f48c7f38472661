"""The gradients of a method's first step, with the rows of its batch divided in one way or another."""

from __future__ import annotations

import torch
from mid_task import drawn_from
from small_run import fresh, small_plan, small_stream
from torch import Tensor

from cl_bench.benchmark.method import all_parameters
from cl_bench.benchmark.precision import autocast
from cl_bench.benchmark.processes.sums import average_gradients
from cl_bench.benchmark.rows import WHOLE, Division
from cl_bench.methods.catalog import BUILT_IN, find_method, known_methods

TRAINED = [name for name in BUILT_IN if known_methods()[name].trainable]
ROW_BY_ROW = [name for name in TRAINED if find_method(name).method.row_by_row]
AWAY = {"gift"}  # of a first step, but away from the start, where what pulls back is zero
WAYS = {
    "whole": WHOLE,
    "shared": Division(shared=True),
    "five at a time": Division(images_at_once=5),
}


def gradients(
    name: str, division: Division = WHOLE, precision: str = "fp32"
) -> list[Tensor | None]:
    """The loss, and the gradient of every parameter, before anything is clipped or projected."""
    plan = small_plan(name)
    method, task = fresh(plan), small_stream(plan).tasks[0]
    training = drawn_from(plan, method, task)
    method.before_task(training)
    parameters = all_parameters(method.trainable_parameters())
    if name in AWAY:
        torch.manual_seed(0)
        for parameter in parameters:
            parameter.data.add_(0.01 * torch.randn_like(parameter))
    with division.used(), autocast("cpu", precision):
        loss = method.loss(next(training.endless()))
    loss.backward()
    if division.shared:
        average_gradients(parameters)
    return [loss.detach(), *(p.grad for p in parameters)]


def apart(found: list[Tensor | None], expected: list[Tensor | None]) -> float:
    """The largest difference, as a share of the largest number of the gradients."""
    pairs = list(zip(found, expected, strict=True))
    assert all((a is None) == (b is None) for a, b in pairs)
    both = [(a, b) for a, b in pairs if a is not None and b is not None]
    most = max(float(b.abs().max()) for _, b in both[1:])
    assert torch.allclose(both[0][0].float(), both[0][1].float(), rtol=1e-4), "the loss"
    return max(float((a.float() - b.float()).abs().max()) for a, b in both[1:]) / most
