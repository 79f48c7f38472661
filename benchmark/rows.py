"""How the rows of a batch go through a tower: all at once, a few at a time, or shared among processes.

A row is an image or a text. Whoever calls a tower gets the features of all rows in every process, so a loss
may compare rows with each other. The gradients of the features go back the same way: a process takes those of
its own rows through the tower, times the number of processes, and the mean over the processes
(``group.average_gradients``) is the gradient of the whole batch, whatever the loss computes of the features.
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

from cl_bench.benchmark import group

Tower = Callable[[Tensor, Tensor | None], Tensor]
"""From rows [n, ...], and what enters beside them, to features [n, D]."""


@dataclass(frozen=True)
class Division:
    """A way through a tower.

    Attributes:
        shared: whether each process takes a part of the rows.
        images_at_once: of how many images the activations are kept for the gradient; the others' are
            computed again on the way back. ``None``: of all.
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


def images_through(tower: Tower, images: Tensor, beside: Tensor | None) -> Tensor:
    """Features [B, D] of images [B, 3, S, S].

    Args:
        tower: treats each image by itself.
        images: the whole batch.
        beside: what enters each block beside the images, [blocks, 1 or B, P, d].
    """
    at_once = _present.get().images_at_once
    return texts_through(
        lambda rows, more: _few_at_a_time(tower, rows, more, at_once), images, beside
    )


def texts_through(tower: Tower, rows: Tensor, beside: Tensor | None) -> Tensor:
    """Features [N, D] of rows [N, ...]; arguments as above."""
    count = len(rows)
    if not _present.get().shared or not 1 < group.size() <= count:
        return tower(rows, beside)
    own = group.part_of(count)
    features: Tensor = _Gathered.apply(tower(rows[own], _of_rows(beside, own)), own.start, count)
    return features


def _few_at_a_time(
    tower: Tower, rows: Tensor, beside: Tensor | None, at_once: int | None
) -> Tensor:
    """The features of all rows; of no more than ``at_once`` are activations kept."""
    if at_once is None or len(rows) <= at_once:
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
        return group.add_up(whole).to(own.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        return gradients[0][ctx.part] * group.size(), None, None
