"""InfLoRA: the directions it protects, and the inputs that it takes its A from."""

from __future__ import annotations

import numpy as np
import torch
from golden_clip import golden_clip, projector_distance
from numpy.typing import NDArray
from toy_task import stirred, toy

from cl_bench.benchmark.assets import Assets
from cl_bench.methods.features import task_grams
from cl_bench.methods.inflora import InfLoRA
from cl_bench.methods.subspace import Subspaces

Matrix = NDArray[np.float64]


class DualGPM:
    """The published bookkeeping of one matrix, written out with singular value decompositions."""

    def __init__(self) -> None:
        self.M: Matrix | None = None
        self.kind = "remove"

    def update(self, C: Matrix, share: float) -> None:
        d = len(C)
        if self.M is None:
            U, s, _ = np.linalg.svd(C)
            kept = max(1, int((np.cumsum(s**2) / np.sum(s**2) < share).sum()))
            self.M = U[:, :kept]
        elif self.kind == "remove":
            total = np.sum(np.linalg.svd(C)[1] ** 2)
            U, s, _ = np.linalg.svd(C - self.M @ self.M.T @ C)
            covered, added = (total - np.sum(s**2)) / total, 0
            while covered < share and added < d:
                covered += s[added] ** 2 / total
                added += 1
            self.M = np.hstack([self.M, U[:, :added]])[:, :d]
        else:
            total = np.sum(np.linalg.svd(C)[1] ** 2)
            U, s, _ = np.linalg.svd(self.M @ self.M.T @ C)
            left, removed = np.sum(s**2) / total, 0
            while left > 1 - share and removed < self.M.shape[1]:
                left -= s[removed] ** 2 / total
                removed += 1
            gone = U[:, :removed]
            rest = self.M - gone @ gone.T @ self.M
            self.M = np.linalg.svd(rest)[0][:, : self.M.shape[1] - removed]
        if self.kind == "remove" and self.M.shape[1] > d / 2:
            self.M = np.linalg.svd(self.M)[0][:, self.M.shape[1] :]
            self.kind = "retain"

    def projected_off(self, d: int) -> Matrix:
        """The projector onto what is protected."""
        assert self.M is not None
        projector: Matrix = self.M @ self.M.T
        return projector if self.kind == "remove" else np.eye(d) - projector


def test_growing_one_basis_equals_dual_gpm() -> None:
    """Keeping M or its complement is bookkeeping: both protect the same directions."""
    rng, d, kinds = np.random.default_rng(0), 12, []
    published, ours = DualGPM(), None
    for t in range(6):
        X = rng.standard_normal((200, d)) * (0.5 ** ((np.arange(d) + 3 * t) % d))
        C = X.T @ X / 200
        share = 0.95 + 0.05 * t / 6
        published.update(C, share)
        energies = torch.from_numpy(C @ C)[None]
        ours = (
            Subspaces.of_grams(energies, share, "below")
            if ours is None
            else ours.extended(energies, share)
        )
        U = ours.U[0, :, : int(ours.rank[0])].double().numpy()
        assert np.linalg.norm(U @ U.T - published.projected_off(d)) < 1e-4, t
        kinds.append(published.kind)
    assert set(kinds) == {"remove", "retain"}, "both kinds were met"


def test_inflora_takes_inputs_outside_the_protected_directions() -> None:
    method = InfLoRA(golden_clip(), InfLoRA.Config(rank=3, first_share=0.6), Assets())
    first, second = (toy(i, method.clip.normaliser()) for i in range(2))
    method.before_task(first)
    update = method.adapters._pairs[0][0]
    C = task_grams(method.clip, toy(0, method.clip.normaliser()))["v"][0]
    leading = torch.linalg.eigh(C).eigenvectors[:, -3:].float()
    assert projector_distance(update.A[0] * 3**0.5, leading) < 1e-3
    assert not update.A.requires_grad and not update.B.any()
    stirred(method)
    method.after_task(first)
    method.before_task(second)
    U = method.protected["v"].U
    A = torch.cat([u.A for u, _ in method.adapters._pairs][:3])
    assert (U.mT @ A).abs().max() < 1e-5
