"""Whatever features come: bases stay orthonormal and only grow, projections are projections."""

from __future__ import annotations

import torch
from fuzzing import cases
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cl_bench.methods.features import gram
from cl_bench.methods.low_rank import LowRank, out_update, qkv_update
from cl_bench.methods.subspace import MOST_SHARE, Subspaces, leading_factors

SHARES = st.one_of(
    st.floats(0, 1), st.sampled_from([0.0, 0.5, 0.99, 1 - 1e-7, 1 - 1e-12, 1 - 1e-16, 1.0])
)
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def bases(draw: st.DrawFn, d: int) -> Tensor:
    """Directions in which features may lie, orthonormal [d, d]."""
    generator = torch.Generator().manual_seed(draw(SEEDS))
    return torch.linalg.qr(torch.randn(d, d, generator=generator, dtype=torch.float64)).Q


@st.composite
def features(draw: st.DrawFn, basis: Tensor) -> Tensor:
    """Features [N, d] along some of the directions, strong, weak or hardly above rounding, or none."""
    d, generator = len(basis), torch.Generator().manual_seed(draw(SEEDS))
    exponents = draw(st.lists(st.integers(-9, 0), min_size=d, max_size=d))
    sizes = torch.tensor([10.0**e if e > -9 else 0.0 for e in exponents], dtype=torch.float64)
    count, scale = draw(st.integers(1, 3 * d)), 10.0 ** draw(st.integers(-12, 12))
    noise = torch.randn(count, d, generator=generator, dtype=torch.float64)
    return (scale * (noise * sizes) @ basis.T).float()


@st.composite
def tasks(draw: st.DrawFn) -> list[Tensor]:
    """Gram matrices [n, d, d] of one to five tasks in turn, whose features share directions."""
    d, n = draw(st.integers(1, 12)), draw(st.integers(1, 3))
    directions = [draw(bases(d)) for _ in range(n)]
    return [
        torch.stack([gram(draw(features(basis))) for basis in directions])
        for _ in range(draw(st.integers(1, 5)))
    ]


def own(subspaces: Subspaces) -> list[Tensor]:
    """Every matrix's basis, [d, rank]."""
    pairs = zip(subspaces.U.double(), subspaces.rank.tolist(), strict=True)
    return [U[:, :rank] for U, rank in pairs]


def must_be_bases(subspaces: Subspaces, exact: float) -> None:
    """Orthonormal columns, zeros behind them, and a projection that is one."""
    n, d, _ = subspaces.U.shape
    assert subspaces.U.isfinite().all() and subspaces.U.dtype == torch.float32
    for U, whole, rank in zip(own(subspaces), subspaces.U, subspaces.rank.tolist(), strict=True):
        assert 0 <= rank <= d
        assert rank == 0 or float((U.T @ U - torch.eye(rank)).abs().max()) < exact
        assert not whole[:, rank:].any()
    g = torch.randn(n, d, 5, generator=torch.Generator().manual_seed(d))
    once = subspaces.project_out(g)
    assert float((subspaces.project_out(once) - once).abs().max()) < 10 * exact
    inside = subspaces.U.mT @ once
    assert inside.numel() == 0 or float(inside.abs().max()) < 10 * exact
    assert bool((once.norm(dim=(-2, -1)) <= (1 + exact) * g.norm(dim=(-2, -1))).all())


def exactness(share: float) -> float:
    """How orthonormal bases are: the nearer a share is to 1, the nearer the last directions to rounding."""
    return 1e-4 if share <= 0.999 else 1e-3


def covered(U: Tensor, C: Tensor) -> float:
    """The share of a Gram matrix's energy that a basis covers, in float64."""
    total = float(C.trace())
    return float((U.T @ C @ U).trace()) / total if total > 0 else 1.0


@cases(150)
@given(tasks(), SHARES)
def test_a_basis_grows_from_task_to_task_and_covers_what_it_should(
    grams: list[Tensor], share: float
) -> None:
    n, d, _ = grams[0].shape
    known = Subspaces.empty(n, d, torch.device("cpu"))
    for C in grams:
        grown = known.extended(C, share)
        must_be_bases(grown, exactness(share))
        assert bool((grown.rank >= known.rank).all())
        wanted = min(share, MOST_SHARE)
        for before, after, one in zip(own(known), own(grown), C, strict=True):
            assert torch.equal(after[:, : before.shape[1]], before), "what was known stays as it is"
            assert covered(after, one) >= wanted - exactness(share) / 10
            if after.shape[1] > before.shape[1]:
                assert covered(after[:, :-1], one) < wanted + exactness(share) / 10, (
                    "no direction more than needed"
                )
        assert torch.equal(grown.extended(C * 0, share).rank, grown.rank)
        known = grown


@cases(150)
@given(tasks(), SHARES, st.sampled_from(["below", "reach"]))
def test_leading_directions_of_any_gram_matrix(
    grams: list[Tensor], share: float, rule: str
) -> None:
    found = Subspaces.of_grams(grams[0], share, rule)  # type: ignore[arg-type]
    must_be_bases(found, 1e-5)
    for U, C in zip(own(found), grams[0], strict=True):
        if not C.any():
            assert U.shape[1] == 0
        elif rule == "reach":
            assert covered(U, C) >= min(share, MOST_SHARE) - 1e-5
        else:
            assert U.shape[1] == 1 or covered(U, C) < min(share, MOST_SHARE) + 1e-5


@cases(150)
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_leading_factors_of_any_matrix(d: int, m: int, data: st.DataObject) -> None:
    """A is orthonormal, also of zeros, and A B is the best of its rank."""
    X = data.draw(features(data.draw(bases(max(d, m)))))
    g = (X.T @ X)[:d, :m].expand(2, d, m).contiguous()
    r = data.draw(st.integers(1, d))
    A, B = leading_factors(g, r)
    assert A.isfinite().all() and B.isfinite().all()
    assert float((A.mT @ A - torch.eye(r)).abs().max()) < 1e-4
    left, S, right = torch.linalg.svd(g[0].double(), full_matrices=False)
    k = min(r, len(S))
    best = left[:, :k] * S[:k] @ right[:k]
    error, least = (g[0] - A[0] @ B[0]).double().norm(), (g[0].double() - best).norm()
    assert float(error) <= float(least) + 1e-3 * float(S[0])


@cases(100)
@given(st.integers(1, 10), st.integers(1, 6), st.floats(-30, 30), st.floats(-6, 3), SEEDS)
def test_merged_equals_beside(d: int, r: int, scaling: float, size: float, seed: int) -> None:
    """X (W + s A (B - B0)) is x W + s x A (B - B0), for q, k, v and o, whatever the factors' size."""
    torch.manual_seed(seed)
    A, B, B_start = torch.randn(4, d, r), 10**size * torch.randn(4, r, d), torch.randn(4, r, d)
    update = LowRank(A, B, B_start, scaling, train_A=False)
    x, W = torch.randn(2, 3, d), torch.randn(4, d, d)
    with torch.no_grad():
        beside = [*(x @ W[:3, None] + update.qkv(x)), x @ W[3] + update.out(x)]
        merged = [
            x @ (w + scaling * a @ (b - b0)) for w, a, b, b0 in zip(W, A, B, B_start, strict=True)
        ]
    for one, other in zip(beside, merged, strict=True):
        error = float((one - other).abs().max())
        assert error <= 1e-4 * max(1.0, float(other.abs().max()), abs(scaling) * 10**size)
    assert torch.equal(update.out(x), out_update(x, A, scaling * (B - B_start)))
    assert torch.equal(update.qkv(x), qkv_update(x, A, scaling * (B - B_start)))
