"""Texts to distil on: the teacher's features of them, and random ones."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.tokens import cut_padding

TEXTS_AT_ONCE = 256  # per forward pass
RANDOM_TEXTS, RANDOM_LENGTH = 1000, 10  # LwF-VR: sentences, and random tokens in each


@torch.no_grad()
def encoded(teacher: Clip, tokens: Tensor) -> Tensor:
    """Unit-length features [N, D] of token ids [N, L]."""
    parts = [teacher.encode_text(cut_padding(part)) for part in tokens.split(TEXTS_AT_ONCE)]
    return torch.cat([F.normalize(part, dim=-1) for part in parts])


def random_texts(clip: Clip) -> Tensor:
    """Random sentences between start and end of text, int64 [N, 77] (LwF-VR)."""
    bounds = clip.tokenize([""])[0, :2]  # the ids of start and end of text
    tokens = torch.zeros(RANDOM_TEXTS, clip.context_length, dtype=torch.int64)
    tokens[:, 0] = bounds[0]
    tokens[:, 1 : 1 + RANDOM_LENGTH] = torch.randint(int(bounds[0]), (RANDOM_TEXTS, RANDOM_LENGTH))
    tokens[:, 1 + RANDOM_LENGTH] = bounds[1]
    return tokens.to(clip.device)
