"""KeepLoRA's subspace update at ViT-B/16 size, against two economy SVDs per matrix.

The straightforward way is the published code's: for each of q, k, v and o one SVD of the feature
matrix M for its energy and one of the residual R = M - U(U'M) for the directions to add.
"""

from __future__ import annotations

import argparse
import time

import torch
from torch import Tensor

from cl_bench.methods.features import gram
from cl_bench.methods.subspace import Subspaces

SHARE = 0.99


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.manual_seed(0)
    print("tower   width  columns   straightforward   cl-bench   ratio   ranks equal")
    for tower, d, columns, known in (("vision", 768, 197 * 64, 150), ("text", 512, 77 * 100, 20)):
        inputs = [_features(d, columns, options.device) for _ in range(2)]  # of q, k, v; and of o
        start = Subspaces(
            torch.linalg.qr(torch.randn(4, d, known, device=options.device)).Q,
            torch.full((4,), known, device=options.device),
        )
        slow, ranks = _timed(lambda: _straightforward(inputs, start), options.device)  # noqa: B023
        times = []
        for _ in range(options.repeats):
            fast, subspaces = _timed(lambda: _ours(inputs, start), options.device)  # noqa: B023
            times.append(fast)
        fast = sorted(times)[len(times) // 2]
        same = ranks == subspaces.rank.tolist()
        print(
            f"{tower:7s} {d:5d} {columns:8d} {slow:15.2f} s {fast:8.3f} s {slow / fast:6.0f}x   "
            f"{same} {ranks}"
        )


def _features(d: int, columns: int, device: str) -> Tensor:
    """Features [columns, d] with a decaying spectrum, as activations have."""
    scales = torch.arange(1, d + 1, device=device).float() ** -0.8
    basis = torch.linalg.qr(torch.randn(d, d, device=device)).Q
    return torch.randn(columns, d, device=device) * scales @ basis


def _ours(inputs: list[Tensor], start: Subspaces) -> Subspaces:
    shared, out = (gram(x) for x in inputs)
    return start.extended(torch.stack([shared, shared, shared, out]), SHARE)


def _straightforward(inputs: list[Tensor], start: Subspaces) -> list[int]:
    """Ranks after the update of q, k, v and o, with float32 SVDs of the long matrices."""
    ranks = []
    for i, features in enumerate((inputs[0], inputs[0], inputs[0], inputs[1])):
        M, U = features.T, start.U[i]
        total = torch.linalg.svd(M, full_matrices=False).S.square().sum()
        S = torch.linalg.svd(M - U @ (U.T @ M), full_matrices=False).S.square()
        covered, added = (total - S.sum()) / total, 0
        while covered < SHARE:
            covered = covered + S[added] / total
            added += 1
        ranks.append(U.shape[1] + added)
    return ranks


def _timed(work, device: str):  # type: ignore[no-untyped-def]
    if device != "cpu":
        torch.cuda.synchronize()
    start = time.perf_counter()
    result = work()
    if device != "cpu":
        torch.cuda.synchronize()
    return time.perf_counter() - start, result


if __name__ == "__main__":
    main()
