"""How the rows of a batch go through a tower: all at once, a few at a time, or shared among processes.

A row is an image or a text. Whoever calls a tower gets the features of all rows in every process, so a loss
may compare rows with each other. The gradients of the features go back the same way: a process takes those of
its own rows through the tower, times the number of processes, and the mean over the processes
(``processes/sums.py``) is the gradient of the whole batch, whatever the loss computes of the features.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.processes.group import size
from cl_bench.benchmark.processes.sums import add_up, part_of

Tower = Callable[[Tensor, Tensor | None], Tensor]
"""From rows [n, ...], and what enters beside them, to features [n, D]."""


@dataclass(frozen=True)
class Division:
    """A way through a tower.

    Attributes:
        shared: whether each process takes a part of the rows.
        images_at_once: of how many images, or of texts with as many positions, the activations are kept
            for the gradient; the others' are computed again on the way back. ``None``: of all.
    """

    shared: bool = False
    images_at_once: int | None = None

    @contextmanager
    def used(self) -> Iterator[None]:
        """Go this way inside of the block."""
        token = _present.set(self)
        try:
            yield
        finally:
            _present.reset(token)


WHOLE = Division()
_present: ContextVar[Division] = ContextVar("division", default=WHOLE)


def through(tower: Tower, rows: Tensor, beside: Tensor | None, per_image: int = 1) -> Tensor:
    """Features [N, D] of rows [N, ...].

    Args:
        tower: treats each row by itself.
        rows: of the whole batch.
        beside: what enters each block beside the rows, [blocks, 1 or N, P, d].
        per_image: how many rows have as many positions as an image.

    Raises:
        UserError: the tower draws random numbers, though its method says that it does not.
    """
    here, count = _present.get(), len(rows)
    if here == WHOLE:
        return tower(rows, beside)
    tower = _drawing_nothing(tower)
    at_once = count if here.images_at_once is None else here.images_at_once * per_image
    if not here.shared or not 1 < size() <= count:
        return _few_at_a_time(tower, rows, beside, at_once)
    own = part_of(count)
    of_own = _few_at_a_time(tower, rows[own], _of_rows(beside, own), at_once)
    features: Tensor = _Gathered.apply(of_own, own.start, count)
    return features


def _drawing_nothing(tower: Tower) -> Tower:
    """The tower, watched: draws for a part of the rows are not those for all."""

    def watched(rows: Tensor, beside: Tensor | None) -> Tensor:
        before = _next_draws(rows.device)
        features = tower(rows, beside)
        if any(not a.equal(b) for a, b in zip(before, _next_draws(rows.device), strict=True)):
            raise UserError(
                "row_by_row = True does not hold for this method: a tower draws random numbers, so parts of "
                "a batch would get other ones than the whole; leave that line out"
            )
        return features

    return watched


def _next_draws(device: torch.device) -> list[Tensor]:
    """The states of the generators that a tower on a device draws from; they lie on the host."""
    states = [torch.get_rng_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


def _few_at_a_time(tower: Tower, rows: Tensor, beside: Tensor | None, at_once: int) -> Tensor:
    """The features of all rows; of no more than ``at_once`` are activations kept."""
    if len(rows) <= at_once:
        return tower(rows, beside)
    parts = [slice(i, i + at_once) for i in range(0, len(rows), at_once)]
    features = [
        checkpoint(
            tower, rows[part], _of_rows(beside, part), use_reentrant=False, preserve_rng_state=False
        )
        for part in parts
    ]
    return torch.cat(features)


def _of_rows(beside: Tensor | None, part: slice) -> Tensor | None:
    """What enters beside some rows; one for all rows stays as it is."""
    return beside if beside is None or beside.shape[1] == 1 else beside[:, part]


class _Gathered(torch.autograd.Function):
    """The features of all processes' rows, [N, D], from those of this one's."""

    @staticmethod
    def forward(ctx: Any, own: Tensor, start: int, count: int) -> Tensor:
        ctx.part = slice(start, start + len(own))
        whole = torch.zeros(count, *own.shape[1:], device=own.device)  # sums of 16 bits are no sums
        whole[ctx.part] = own
        return add_up(whole).to(own.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0][ctx.part] * size(), None, None
