"""Sums over the processes of a group, and each one's part of what they sum over."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, distributed, nn

from cl_bench.benchmark.processes.group import rank, size, with_all


def part_of(count: int) -> slice:
    """This process's part of ``count`` things in a row: the parts differ by one at most."""
    first, beyond = (count * i // size() for i in (rank(), rank() + 1))
    return slice(first, beyond)


def add_up(tensor: Tensor) -> Tensor:
    """The sum of all processes' tensors of this shape, in the place of this one's."""
    if size() == 1:
        return tensor
    dense = tensor.contiguous()
    with with_all():
        distributed.all_reduce(dense)
    return tensor if dense is tensor else tensor.copy_(dense)


def total_of(number: int) -> int:
    """The sum of all processes' numbers."""
    return number if size() == 1 else int(add_up(torch.tensor(number)))


def averaged(tensors: Sequence[Tensor]) -> list[Tensor]:
    """The mean of all processes' tensors, one by one."""
    if size() == 1:
        return list(tensors)
    flat = add_up(torch.cat([tensor.flatten() for tensor in tensors]))
    parts = flat.split([tensor.numel() for tensor in tensors])
    return [part.view_as(tensor) / size() for part, tensor in zip(parts, tensors, strict=True)]


def average_gradients(parameters: Sequence[nn.Parameter]) -> None:
    """Put the mean of all processes' gradients in the place of each one's own.

    A parameter that has a gradient in no process keeps none: optimizers leave it alone. Where every
    parameter has one, nothing waits for the device.
    """
    if size() == 1:
        return
    own = [p.grad is not None for p in parameters]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    there = torch.tensor(own, dtype=gradients[0].dtype, device=gradients[0].device)
    flat = add_up(torch.cat([*(g.flatten() for g in gradients), there]))
    *means, times = flat.split([*(g.numel() for g in gradients), len(own)])
    somewhere = own if all(own) else (times > 0).tolist()
    for parameter, mean, moved in zip(parameters, means, somewhere, strict=True):
        if moved:
            parameter.grad = mean.view_as(parameter) / size()
