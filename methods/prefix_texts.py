"""The classes as the text tower encodes them beside one prefix or another, each encoded once."""

from __future__ import annotations

import torch
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.task import LabelSpace
from cl_bench.methods.residual_prefix import ResidualPrefixes

LEVELS = 16  # of a text prefix's weight: 0, 1/15, ..., 1; each takes a pass over the prompts


class PrefixTexts:
    """Features of C classes by task and weight."""

    def __init__(self, clip: Clip, prefixes: ResidualPrefixes, labels: LabelSpace) -> None:
        """Nothing is encoded yet."""
        self._clip, self._prefixes, self._labels = clip, prefixes, labels
        self._known: dict[int, Tensor] = {}  # code -> [C, D]

    def encoded(self, task: Tensor | int, weight: Tensor | float) -> Tensor:
        """Unit features [C, D] beside the prefix of a task, times a weight; either is a number or [1]."""
        with self._prefixes.beside(self._prefixes.of(task).scaled(weight)):
            return self._clip.encode_classes(self._labels)

    def own_logits(self, features: Tensor, tasks: Tensor, weights: Tensor) -> Tensor:
        """Logits [B, C] of image features [B, D] over texts beside each image's own prefix.

        Weights are rounded to ``LEVELS`` of them. Which texts a batch needs is read from the device, once:
        to encode all that it may need would take 15 T + 1 passes over the prompts.

        Args:
            features: of unit length.
            tasks: of every image, int64 [B].
            weights: between 0 and 1, [B].
        """
        level = (weights * (LEVELS - 1)).round().long()
        # At level 0, every task's texts are CLIP's.
        codes = torch.where(level > 0, tasks * LEVELS + level, 0)  # [B]
        every = torch.arange(LEVELS * len(self._prefixes.keys), device=codes.device)
        needed = (codes[:, None] == every).any(dim=0)
        texts = [self._of(code) for code, yes in enumerate(needed.tolist()) if yes]
        by_text = self._clip.logits(features, torch.cat(texts)).unflatten(-1, (len(texts), -1))
        place = needed.cumsum(dim=0)[codes] - 1  # of each image's texts among the needed ones
        own: Tensor = by_text[torch.arange(len(place), device=place.device), place]  # [B, C]
        return own

    def _of(self, code: int) -> Tensor:
        if code not in self._known:
            task, level = divmod(code, LEVELS)
            self._known[code] = self.encoded(task, level / (LEVELS - 1))
        return self._known[code]
