"""Image-text pairs to distil on, with the teacher's features of both sides."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.endless import Endless
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.tokens import cut_padding
from cl_bench.methods.reference_images import ReferenceImages
from cl_bench.methods.reference_texts import encoded


@dataclass(frozen=True)
class PairBatch:
    """B pairs.

    Attributes:
        images: float32 [B, 3, S, S], normalised.
        tokens: ids of their prompts, int64 [B, L].
        prompts: which prompts these are, int64 [B]: equal where the prompts are.
        I_t: the teacher's unit features of the images, [B, D].
        T_t: the teacher's unit features of the prompts, [B, D].
    """

    images: Tensor
    tokens: Tensor
    prompts: Tensor
    I_t: Tensor
    T_t: Tensor


class ReferencePairs:
    """Pairs of images and prompts under a teacher that does not change: each is encoded once.

    Attributes:
        T_t: the teacher's unit features of the P different prompts, [P, D].
        token_ids: those that stand in some prompt, int64 [n], each once.
    """

    def __init__(
        self, images: Images, prompts: Sequence[str], normalise: Pixels, teacher: Clip
    ) -> None:
        """Encode the prompts; images are encoded when they are first asked for."""
        place = {prompt: i for i, prompt in enumerate(dict.fromkeys(prompts))}
        self._which = torch.tensor([place[p] for p in prompts], device=teacher.device)  # [N]
        self._tokens = cut_padding(teacher.tokenize(list(place)))  # [P, L]
        self._images = ReferenceImages(images, normalise, teacher)
        self.T_t = encoded(teacher, self._tokens)
        self.token_ids = self._tokens.unique()

    def batches(self, size: int, generator: torch.Generator) -> Endless[PairBatch]:
        """Batches without end, every pass in a fresh order; the last of a pass may be smaller.

        Args:
            size: pairs in a batch.
            generator: what the orders are drawn from.
        """

        def begin(done: int) -> Iterator[PairBatch]:
            return map(self._batch, self._images.one_pass(size, generator, done))

        return Endless(begin, generator)

    def _batch(self, of: tuple[Tensor, Tensor, Tensor]) -> PairBatch:
        images, I_t, rows = of
        prompts = self._which[rows]
        return PairBatch(images, self._tokens[prompts], prompts, I_t, self.T_t[prompts])
