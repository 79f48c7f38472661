"""Statistics of what flows into q, k, v and o, gathered while the model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from cl_bench.benchmark.attention import Attended, Attention
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.passes import summed
from cl_bench.benchmark.precision import full_precision
from cl_bench.benchmark.processes.sums import add_up, total_of
from cl_bench.benchmark.task import Batch, LabelSpace, TrainingTask
from cl_bench.benchmark.tokens import cut_padding
from cl_bench.methods.finite import must_be_finite
from cl_bench.methods.places import by_place


class Statistic(Protocol):
    """A running summary of features that can be turned into a Gram matrix."""

    def add(self, x: Tensor) -> None:
        """Take in the features [B, L, d] of one batch."""

    def add_others(self) -> None:
        """Take in, behind the last batch, what the other processes saw."""

    def gram(self) -> Tensor:
        """The Gram matrix of the summary, float64 [d, d], on the features' device."""

    def state_dict(self) -> dict[str, Any]:
        """The summary so far."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""


class BatchMean:
    """M = mean over batches of X, element by element, as KeepLoRA's published code keeps it.

    It averages unrelated images that share a place in their batches: with many batches only the
    per-position mean feature is left (docs/methods/keeplora.md).
    """

    def __init__(self) -> None:
        """Nothing seen yet."""
        self.mean: Tensor | None = None  # float32 [B, L, d]
        self._batches = 0

    def add(self, x: Tensor) -> None:
        """Take in [B, L, d]; every batch must have the same shape."""
        self._batches += 1
        if self.mean is None:
            self.mean = x.float().clone()
        else:
            self.mean += (x - self.mean) / self._batches

    def add_others(self) -> None:
        """The mean over the batches of all processes."""
        assert self.mean is not None, "no features were added"
        batches = total_of(self._batches)
        add_up(self.mean.mul_(self._batches / batches))
        self._batches = batches

    def gram(self) -> Tensor:
        """MMᵀ over all B·L columns of M."""
        assert self.mean is not None, "no features were added"
        return gram(self.mean.flatten(0, 1))

    def state_dict(self) -> dict[str, Any]:
        """M and the number of batches."""
        assert self.mean is not None, "no features were added"
        return {"mean": self.mean, "batches": self._batches}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        self.mean, self._batches = state["mean"], state["batches"]


class Gram:
    """C = Σ x xᵀ over every feature x, accumulated in place: the paper's statistic."""

    def __init__(self, keep: Tensor | None = None) -> None:
        """Nothing seen yet; ``keep`` bool [B, L] selects the features that count (default all)."""
        self._keep = keep
        self._sum: Tensor | None = None  # float64 [d, d]

    def add(self, x: Tensor) -> None:
        """Take in [B, L, d]."""
        features = x.flatten(0, 1) if self._keep is None else x[self._keep]
        update = gram(features)
        self._sum = update if self._sum is None else self._sum.add_(update)

    def add_others(self) -> None:
        """The sum over the features of all processes."""
        assert self._sum is not None, "no features were added"
        add_up(self._sum)

    def gram(self) -> Tensor:
        """C, float64 [d, d]."""
        assert self._sum is not None, "no features were added"
        return self._sum

    def state_dict(self) -> dict[str, Any]:
        """C."""
        return {"sum": self.gram()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo ``state_dict``."""
        self._sum = state["sum"]


def gram(features: Tensor) -> Tensor:
    """XᵀX of features [N, d] as float64 [d, d].

    Products are taken in float32 over slices of 2,048 features and summed in float64: near the
    speed of the one and, for the energies compared with thresholds, the exactness of the other.
    """
    d = features.shape[-1]
    total = torch.zeros(d, d, dtype=torch.float64, device=features.device)
    with full_precision(features.device):
        for part in features.float().split(2048):
            total += part.T @ part
    return total


@contextmanager
def watching(
    attentions: Sequence[Attention], new: Callable[[], Statistic]
) -> Iterator[list[dict[str, Statistic]]]:
    """Gather statistics of every forward pass inside the block.

    Args:
        attentions: the L blocks to watch.
        new: makes an empty statistic.

    Yields:
        Per block, the statistic of the input of q, k and v under ``"in"``, of o under ``"out"``.
    """
    statistics = [{"in": new(), "out": new()} for _ in attentions]
    with ExitStack() as watchers:
        for attention, of in zip(attentions, statistics, strict=True):
            watchers.enter_context(attention.watch(partial(_take_in, of)))
        yield statistics


def _take_in(statistics: dict[str, Statistic], seen: Attended) -> None:
    statistics["in"].add(seen.x)
    statistics["out"].add(seen.heads)


@torch.no_grad()
def task_grams(
    clip: Clip,
    task: TrainingTask,
    statistic: Callable[[], Statistic] = Gram,
    padded: bool = False,
) -> dict[str, Tensor]:
    """Gram matrices of a task's inputs to q, k, v and o of every block.

    Args:
        clip: the model that computes the inputs.
        task: one pass over its training images, without a last, partial batch.
        statistic: how the image features of the batches are put together.
        padded: count the text features of all positions, not of the prompts' own tokens alone.

    Returns:
        Per tower float64 [4L, d, d], in the order q, k, v, o of block 0, 1, ...

    Raises:
        NotFiniteError: one of them is not finite; names the matrix and the task.
    """

    def add(total: list[dict[str, Statistic]], batch: Batch) -> list[dict[str, Statistic]]:
        clip.encode_images(batch.images)  # the watched blocks add to their statistics
        return total

    with watching(clip.attentions()["v"], statistic) as watched:
        vision, _ = summed(task.epoch(drop_last=True, plain=True), add, watched, _of_all)
    text = _text_statistics(clip, task.labels, padded)
    grams = {"v": _per_matrix(vision), "t": _per_matrix(text)}
    must_be_finite(by_place("the Gram matrix of the features that enter", grams), task.name)
    return grams


def _of_all(statistics: list[dict[str, Statistic]]) -> list[dict[str, Statistic]]:
    """The statistics of the batches of all processes."""
    for of in statistics:
        for statistic in of.values():
            statistic.add_others()
    return statistics


def _text_statistics(clip: Clip, labels: LabelSpace, padded: bool) -> list[dict[str, Statistic]]:
    """One forward pass over the task's prompts."""
    tokens = clip.tokenize([prompt for prompts in labels.prompts for prompt in prompts])
    keep = None
    if not padded:
        tokens = cut_padding(tokens)
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        keep = positions <= tokens.argmax(dim=-1, keepdim=True)  # [C, L], up to end-of-text
    # One forward is one batch: its mean is itself, so that MMᵀ is the plain Gram matrix.
    with watching(clip.attentions()["t"], lambda: Gram(keep)) as text:
        clip.encode_text(tokens)
    return text


def _per_matrix(statistics: list[dict[str, Statistic]]) -> Tensor:
    """One Gram matrix per q, k, v, o, of which q, k and v share theirs, [4L, d, d]."""
    pairs = [(of["in"].gram(), of["out"].gram()) for of in statistics]
    return torch.stack([gram for x, h in pairs for gram in (x, x, x, h)])
