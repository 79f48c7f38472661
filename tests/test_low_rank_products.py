"""What low-rank factors add to q, k, v and o, against the products written one by one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cl_bench.methods.low_rank import fresh_factor, out_update, qkv_update

SIZES = st.integers(1, 5)


@settings(deadline=None)
@given(SIZES, SIZES, st.integers(1, 8), st.integers(1, 4))
def test_every_projection_gets_its_own_product(n: int, length: int, d: int, r: int) -> None:
    torch.manual_seed(n + 10 * length + 100 * d + 1000 * r)
    x, A, B = torch.randn(n, length, d), torch.randn(4, d, r), torch.randn(4, r, d)
    found = qkv_update(x, A, B)
    assert found.shape == (3, n, length, d)
    for place in range(3):
        torch.testing.assert_close(found[place], x @ A[place] @ B[place], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(out_update(x, A, B), x @ A[3] @ B[3])


def test_the_gradient_reaches_the_factors_of_its_own_projection_alone() -> None:
    x, A, B = torch.randn(2, 3, 6), torch.randn(4, 6, 2), torch.randn(4, 2, 6, requires_grad=True)
    qkv_update(x, A, B)[1].sum().backward()
    assert B.grad is not None
    assert B.grad[1].any() and not B.grad[[0, 2, 3]].any()
    expected = (x @ A[1]).flatten(0, 1).sum(dim=0)[:, None].expand(-1, 6)
    torch.testing.assert_close(B.grad[1], expected)


def test_an_update_under_autocast_keeps_the_dtype_of_the_block() -> None:
    x, A, B = torch.randn(2, 3, 6), torch.randn(4, 6, 2), torch.randn(4, 2, 6)
    with torch.autocast("cpu", torch.bfloat16):
        assert qkv_update(x, A, B).dtype == out_update(x, A, B).dtype == torch.bfloat16


@pytest.mark.parametrize("d", [4, 64, 768])
def test_a_fresh_factor_is_kaiming_uniform_with_fan_in_d(d: int) -> None:
    torch.manual_seed(0)
    A = fresh_factor(4, d, 16)
    bound = d**-0.5  # a = √5: gain √(2/6) times √(3/d)
    assert A.shape == (4, d, 16) and A.abs().max() <= bound
    assert A.std() == pytest.approx(bound / 3**0.5, rel=0.1)
    torch.manual_seed(0)
    linear = torch.empty(16, d)
    torch.nn.init.kaiming_uniform_(linear, a=5**0.5)
    assert linear.abs().max() <= bound and linear.std() == pytest.approx(float(A.std()), rel=0.15)
