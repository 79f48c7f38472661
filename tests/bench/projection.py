"""KeepLoRA's subspace update at ViT-B/16 size, against two economy SVDs per matrix.

The straightforward way is the published code's: for each of q, k, v and o one SVD of the feature
matrix M for its energy and one of the residual R = M - U(U'M) for the directions to add.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.figures import Figure, run_alone
from bench.timing import in_turn

from cl_bench.methods.features import gram
from cl_bench.methods.subspace import Subspaces

SHARE = 0.99


def measure(
    tiny: bool = False, device: str = "cpu", repeats: int = 5, slow_repeats: int = 1
) -> Iterator[Figure]:
    """A block of either tower, 64 images and 100 prompts; a twentieth of the columns where ``tiny``."""
    torch.manual_seed(0)
    for tower, d, columns, known in (("vision", 768, 197 * 64, 150), ("text", 512, 77 * 100, 20)):
        columns = columns // 20 if tiny else columns
        inputs = [_features(d, columns, device) for _ in range(2)]  # of q, k, v; and of o
        start = Subspaces(
            torch.linalg.qr(torch.randn(4, d, known, device=device)).Q,
            torch.full((4,), known, device=device),
        )
        ways = Ways(inputs, start)
        assert (ranks := ways.plain()) == ways.ours().rank.tolist(), f"other ranks than {ranks}"
        fast = in_turn({"ours": ways.ours}, repeats, device)["ours"]
        slow = in_turn({"plain": ways.plain}, slow_repeats, device, warm_up=False)["plain"]
        sizes = f"{tower}, {d} x {columns:,}, {device}"
        yield Figure.of(f"subspace update of a block ({sizes})", fast, "s")
        ratios = [a / b for a in slow for b in fast]
        name = f"subspace update of a block against two SVDs a matrix ({sizes})"
        yield Figure.of(name, ratios, "x", ">= 40")


def _features(d: int, columns: int, device: str) -> Tensor:
    """Features [columns, d] with a decaying spectrum, as activations have."""
    scales = torch.arange(1, d + 1, device=device).float() ** -0.8
    basis = torch.linalg.qr(torch.randn(d, d, device=device)).Q
    return torch.randn(columns, d, device=device) * scales @ basis


@dataclass(frozen=True)
class Ways:
    """The update of one block.

    Attributes:
        inputs: of q, k and v, and of o, each [columns, d].
        start: what is protected already.
    """

    inputs: list[Tensor]
    start: Subspaces

    def ours(self) -> Subspaces:
        """As it is."""
        shared, out = (gram(x) for x in self.inputs)
        return self.start.extended(torch.stack([shared, shared, shared, out]), SHARE)

    def plain(self) -> list[int]:
        """Ranks after the update of q, k, v and o, with float32 SVDs of the long matrices."""
        ranks = []
        for i, features in enumerate((self.inputs[0],) * 3 + (self.inputs[1],)):
            M, U = features.T, self.start.U[i]
            total = torch.linalg.svd(M, full_matrices=False).S.square().sum()
            S = torch.linalg.svd(M - U @ (U.T @ M), full_matrices=False).S.square()
            covered, added = (total - S.sum()) / total, 0
            while covered < SHARE:
                covered = covered + S[added] / total
                added += 1
            ranks.append(U.shape[1] + added)
        return ranks


if __name__ == "__main__":
    run_alone(measure, __doc__)
