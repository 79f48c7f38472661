"""Token ids of prompts: without the padding that no prompt needs, and computed once for a label space."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from cl_bench.benchmark.hand_over import sent
from cl_bench.benchmark.task import LabelSpace

PROMPTS_AT_ONCE = 2048  # bounds the memory of an ensemble over a thousand classes
SPACES_KEPT = 256  # label spaces; a run has two for each of its tasks

Tokenizer = Callable[[Sequence[str]], Tensor]


def cut_padding(tokens: Tensor) -> Tensor:
    """Drop the positions that are padding in every row: [N, 77] -> [N, longest].

    The result's size depends on the ids: the host waits for them if they are on a device.
    """
    return tokens[:, : int(tokens.argmax(dim=-1).max()) + 1]


def short_tokens(prompts: Sequence[str], tokenizer: Tokenizer, like: Tensor) -> Tensor:
    """Token ids on the device of ``like``, int64 [N, longest], cut before they are sent there."""
    return sent(cut_padding(tokenizer(list(prompts))).contiguous(), like)


class LabelTokens:
    """Token ids of every label space that was asked for, on the model's device.

    A tokenizer takes about 70 µs for a prompt: for some hundreds of classes, as long as a good part of
    a training step on a GPU.
    """

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._made_by: tuple[Tokenizer, torch.device] | None = None
        self._known: dict[tuple[tuple[str, ...], ...], list[Tensor]] = {}

    def of(self, labels: LabelSpace, tokenizer: Tokenizer, like: Tensor) -> list[Tensor]:
        """Ids of all prompts, class by class, in parts int64 [n, longest] of n <= PROMPTS_AT_ONCE.

        Args:
            labels: whose prompts.
            tokenizer: what computes the ids. With another one, or on another device, all are new.
            like: a tensor on the model's device.
        """
        if self._made_by != (tokenizer, like.device):
            self._made_by = (tokenizer, like.device)
            self._known.clear()
        key = tuple(map(tuple, labels.prompts))
        if key not in self._known:
            flat = [prompt for prompts in key for prompt in prompts]
            parts = [flat[i : i + PROMPTS_AT_ONCE] for i in range(0, len(flat), PROMPTS_AT_ONCE)]
            if len(self._known) == SPACES_KEPT:
                del self._known[next(iter(self._known))]  # the oldest
            self._known[key] = [short_tokens(part, tokenizer, like) for part in parts]
        return self._known[key]
