"""Weights of q, k, v and o as one tensor per tower, their gradients, and a task's mean gradient."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cl_bench.benchmark.attention import Attention
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.passes import summed
from cl_bench.benchmark.task import Batch, TrainingTask
from cl_bench.methods.finite import must_be_finite
from cl_bench.methods.places import by_place


def weights_of(attentions: Sequence[Attention]) -> Tensor:
    """The q, k, v, o weights of L blocks, [4L, out, in]."""
    return torch.cat([_four(a.in_proj_weight, a.out_proj.weight) for a in attentions])


def gradients_of(attentions: Sequence[Attention]) -> Tensor:
    """The gradients of the q, k, v, o weights of L blocks, transposed to y = x W: [4L, in, out]."""
    return _transposed(
        [_grad(weight) for a in attentions for weight in (a.in_proj_weight, a.out_proj.weight)]
    )


def replace_gradients(attentions: Sequence[Attention], G: Tensor) -> None:
    """Undo ``gradients_of``: write other gradients [4L, in, out] in the place of the present ones."""
    for a, (*qkv, o) in zip(attentions, G.mT.unflatten(0, (-1, 4)), strict=True):
        _grad(a.in_proj_weight).copy_(torch.cat(qkv))
        _grad(a.out_proj.weight).copy_(o)


def mean_gradients(clip: Clip, task: TrainingTask) -> dict[str, Tensor]:
    """G = ∇_W L averaged over one pass, transposed to y = x W: [4L, in, out] per tower.

    The weights stand still, so the text features are computed once; ∂L/∂(text features) is
    summed over the batches and sent through the text tower once, exact by linearity.

    Raises:
        NotFiniteError: a gradient is not finite; names the matrix and the task.
    """
    weights = {
        tower: [w for a in attentions for w in (a.in_proj_weight, a.out_proj.weight)]
        for tower, attentions in clip.attentions().items()
    }
    every = [*weights["v"], *weights["t"]]
    for weight in every:
        weight.requires_grad_(True)
    classes = clip.encode_classes(task.labels)  # [C, D]
    leaf = classes.detach().requires_grad_(True)

    def add(total: list[Tensor], batch: Batch) -> list[Tensor]:
        logits = clip.logits(clip.encode_images(batch.images), leaf)
        F.cross_entropy(logits, batch.targets).backward()  # adds to the total in place
        return total

    nothing = [torch.zeros_like(weight) for weight in (leaf, *weights["v"])]
    for weight, zero in zip((leaf, *weights["v"]), nothing, strict=True):
        weight.grad = zero
    added, batches = summed(task.epoch(drop_last=True, plain=True), add, nothing)
    at_classes, *at_images = added
    classes.backward(at_classes)
    sums = {"v": at_images, "t": [_grad(weight) for weight in weights["t"]]}
    gradients = {tower: _transposed(of).div_(batches) for tower, of in sums.items()}
    for weight in every:
        weight.requires_grad_(False).grad = None
    must_be_finite(by_place("the mean gradient of", gradients), task.name)
    return gradients


def _transposed(gradients: Sequence[Tensor]) -> Tensor:
    """Gradients of L pairs of a packed projection and an output, [4L, in, out]."""
    pairs = zip(gradients[::2], gradients[1::2], strict=True)
    return torch.cat([_four(in_proj, out_proj).mT for in_proj, out_proj in pairs])


def _four(in_proj: Tensor, out_proj: Tensor) -> Tensor:
    """Packed [3d, d] and output [d, d] matrices as q, k, v, o, [4, d, d]."""
    return torch.cat([in_proj.unflatten(0, (3, -1)), out_proj[None]])


def _grad(weight: Tensor) -> Tensor:
    assert weight.grad is not None, "no gradient reached a weight"
    return weight.grad
