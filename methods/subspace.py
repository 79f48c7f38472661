"""KeepLoRA's gradient-projection core: protected subspaces of many matrices at once.

Everything is batched over the n matrices of a tower and stays on the device of its inputs. Energies
and ranks are decided in float64 on d x d Gram matrices: with C = MMᵀ at hand, the Gram matrix of
the residual R = M − U(UᵀM) is C − UUᵀC − CUUᵀ + UUᵀCUUᵀ, so that M itself is needed once, q, k and v
share one C, and no singular value decomposition of a long matrix is taken. U(Uᵀ·) is two thin
products; UUᵀ is never formed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from cl_bench.methods.places import place
from cl_bench.methods.rank_rule import RankRule

LEAST = 1e-300  # a denominator where there is no energy
MOST_SHARE = 1 - 1e-5  # of the energy; the rest of a Gram matrix of float32 features is rounding
CLEAR_SHARE = 0.999  # up to it, every direction stands far above rounding
LEANING = 1e-2  # length of a unit column's part in the protected directions, which is too long


@dataclass
class Subspaces:
    """Orthonormal directions to protect, for n matrices of input width d.

    Attributes:
        U: float32 [n, d, K]; matrix i owns its first ``rank[i]`` columns, the rest are zero.
        rank: int64 [n].
    """

    U: Tensor
    rank: Tensor

    @classmethod
    def empty(cls, n: int, d: int, device: torch.device) -> Subspaces:
        """Protect nothing."""
        return cls(
            torch.zeros(n, d, 0, device=device), torch.zeros(n, dtype=torch.int64, device=device)
        )

    @classmethod
    def of_grams(cls, grams: Tensor, threshold: float, rule: RankRule) -> Subspaces:
        """The leading directions of n Gram matrices [n, d, d], each up to ``threshold``.

        A matrix of zeros has no directions, whatever the rule.
        """
        energy, vectors = _leading_first(grams.double())
        total = energy.sum(-1, keepdim=True)
        share = energy.cumsum(-1) / total.clamp_min(LEAST)
        rank = torch.where(total[:, 0] > 0, _count(share, threshold, rule), 0)
        return cls._first_columns(vectors, rank)

    @classmethod
    def _first_columns(cls, vectors: Tensor, rank: Tensor) -> Subspaces:
        """Keep the first ``rank[i]`` columns of ``vectors[i]`` and zero the others."""
        columns = torch.arange(vectors.shape[-1], device=vectors.device)
        kept = vectors * (columns < rank[:, None])[:, None, :]
        return cls(kept[..., : int(rank.max())].float(), rank)

    def project_out(self, g: Tensor) -> Tensor:
        """ĝ = g − U(Uᵀg) for g [n, d, m]: what lies outside the protected directions."""
        return g - self.U @ (self.U.mT @ g)

    def kept_off(self, A: Tensor) -> Tensor:
        """A [n, d, r] in which no unit column leans on the protected directions.

        The leading directions of a residual do not lean on them. Where the residual has fewer than r
        directions, the other columns are arbitrary; those that lean are projected.
        """
        off = self.project_out(A)
        leaning = (A - off).norm(dim=-2, keepdim=True) > LEANING
        return torch.where(leaning, off, A)

    def extended(self, grams: Tensor, threshold: float) -> Subspaces:
        """Add the leading directions of the residual until ``threshold`` of the energy is covered.

        Args:
            grams: C = MMᵀ of the features, float64 [n, d, d].
            threshold: the share of tr C = ‖M‖² to protect, in [0, 1].

        Returns:
            New subspaces; matrices whose features are already covered keep theirs. The residual's
            eigenvectors are orthogonal to U by construction, so nothing is re-orthogonalised; but
            those that hold hardly more of the energy than rounding does are, where the threshold
            asks for them.
        """
        U, d = self.U.double(), grams.shape[-1]
        total = grams.diagonal(dim1=-2, dim2=-1).sum(-1, keepdim=True).clamp_min(LEAST)  # ‖M‖²
        energy, vectors = _leading_first(_residual(grams, U))
        covered = 1 - energy.sum(-1, keepdim=True) / total  # by the directions already protected
        share = covered + energy.cumsum(-1) / total
        open_ = covered[:, 0] < min(threshold, MOST_SHARE)
        added = torch.where(open_, _count(share, threshold, "reach"), 0)
        added = added.minimum(d - self.rank)  # a subspace has at most d directions
        if threshold > CLEAR_SHARE:
            vectors = F.normalize(vectors - U @ (U.mT @ vectors), dim=-2)
        return self._with_columns(vectors, added)

    def _with_columns(self, vectors: Tensor, added: Tensor) -> Subspaces:
        """Write ``added[i]`` leading columns of ``vectors[i]`` behind those already owned."""
        n, d, _ = vectors.shape
        rank = self.rank + added
        U = self.U.new_zeros(n, d, int(rank.max()))
        U[..., : self.U.shape[-1]] = self.U
        for i, (start, stop) in enumerate(zip(self.rank.tolist(), rank.tolist(), strict=True)):
            U[i, :, start:stop] = vectors[i, :, : stop - start]
        return Subspaces(U, rank)


def packed(subspaces: Mapping[str, Subspaces]) -> dict[str, dict[str, Tensor]]:
    """Subspaces per tower as a checkpoint keeps them."""
    return {tower: {"U": s.U, "rank": s.rank} for tower, s in subspaces.items()}


def unpacked(
    state: Mapping[str, Mapping[str, Tensor]], device: torch.device
) -> dict[str, Subspaces]:
    """Undo ``packed``."""
    return {
        tower: Subspaces(of["U"].to(device), of["rank"].to(device)) for tower, of in state.items()
    }


def occupancy(subspaces: Mapping[str, Subspaces]) -> dict[str, float]:
    """Protected dimensions of every matrix, under ``subspace/<tower>.<block>.<q|k|v|o>``."""
    return {
        f"subspace/{place(tower, i)}": rank
        for tower, of in subspaces.items()
        for i, rank in enumerate(of.rank.tolist())
    }


def leading_factors(g: Tensor, r: int) -> tuple[Tensor, Tensor]:
    """The rank-r factors A = U_r and B₀ = S_r V_rᵀ of g = USVᵀ.

    Args:
        g: n matrices, [n, d, m].
        r: how many singular directions to keep, r <= d.

    Returns:
        A [n, d, r] with orthonormal columns and B₀ = Aᵀg [n, r, m], in g's dtype.
    """
    _, vectors = _leading_first(g.double() @ g.double().mT)
    A = vectors[..., :r]
    return A.to(g.dtype), (A.mT @ g.double()).to(g.dtype)


def _residual(C: Tensor, U: Tensor) -> Tensor:
    """(I − UUᵀ) C (I − UUᵀ), symmetric [n, d, d], without forming UUᵀ."""
    R = C - U @ (U.mT @ C)
    return R - (R @ U) @ U.mT


def _leading_first(symmetric: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues [n, d], clamped at 0, and eigenvectors [n, d, d], largest first."""
    values, vectors = torch.linalg.eigh(symmetric)
    return values.flip(-1).clamp_min(0), vectors.flip(-1)


def _count(share: Tensor, threshold: float, rule: RankRule) -> Tensor:
    """How many directions to keep, given their cumulative shares of the energy [n, d].

    ``reach``: the fewest whose share reaches the threshold. ``below``: one fewer, but at least 1,
    as the published code counts them.
    """
    below = (share < min(threshold, MOST_SHARE)).sum(-1)
    return below.clamp_min(1) if rule == "below" else (below + 1).clamp_max(share.shape[-1])
