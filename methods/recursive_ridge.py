"""Ridge regression whose rows come in parts: each part updates the solution, and no row is kept."""

from __future__ import annotations

import torch
from torch import Tensor


class RecursiveRidge:
    """W = argmin |ΦW - Y|² + λ|W|² over all rows so far.

    Attributes:
        R: (ΦᵀΦ + λI)⁻¹, [M, M].
        W: R Φᵀ Y, [M, C].
    """

    def __init__(self, R: Tensor, W: Tensor) -> None:
        """Go on from a solution, which is changed in place."""
        self.R, self.W = R, W

    @classmethod
    def of_no_rows(
        cls, features: int, ridge: float, dtype: torch.dtype, device: torch.device
    ) -> RecursiveRidge:
        """R = I/λ and a W without columns."""
        R = torch.eye(features, dtype=dtype, device=device).div_(ridge)
        return cls(R, torch.zeros(features, 0, dtype=dtype, device=device))

    def add_columns(self, count: int) -> None:
        """Outputs that were 0 in all rows so far: their columns of W are 0."""
        M = len(self.W)
        self.W = torch.cat([self.W, self.W.new_zeros(M, count)], dim=-1)

    def add_rows(self, Phi: Tensor, Y: Tensor) -> None:
        """Take in rows Φ [B, M] with their outputs Y [B, C], by Woodbury's identity.

        R ← R - RΦᵀ(I + ΦRΦᵀ)⁻¹ΦR and W ← W + RΦᵀ(Y - ΦW) with the new R, for which
        RΦᵀ = P S⁻¹ with the old P = RΦᵀ and S = I + ΦP.

        Raises:
            ArithmeticError: S is not positive definite: rounding has outgrown R.
        """
        P = self.R @ Phi.T  # [M, B]
        S = Phi @ P  # [B, B]
        S.diagonal().add_(1)
        L, failed = torch.linalg.cholesky_ex(S)
        if failed.item():  # L would be numbers without a meaning
            raise ArithmeticError("I + ΦRΦᵀ is not positive definite")
        self.W.addmm_(P, torch.cholesky_solve(Y - Phi @ self.W, L))
        Z = torch.linalg.solve_triangular(L, P.T, upper=False)  # ZᵀZ = P S⁻¹ Pᵀ, [B, M]
        self.R.addmm_(Z.T, Z, alpha=-1)
