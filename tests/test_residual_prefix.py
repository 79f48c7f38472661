"""A prefix's attention, by hand in float64, and its gradients where a batch goes through in parts."""

from __future__ import annotations

import math

import pytest
import torch
from one_step import apart, gradients
from torch import Tensor, nn

from cl_bench.benchmark.attention import Adapter, Attention
from cl_bench.benchmark.rows import Division
from cl_bench.methods.residual_prefix import Prefix, attend


def by_hand(q: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Softmax over P prefix keys, with a loop over samples, heads and positions."""
    B, H, L, dh = q.shape
    out = torch.zeros(B, L, H * dh, dtype=q.dtype)
    for b in range(B):
        for h in range(H):
            k, v = (x[:, h * dh : (h + 1) * dh] for x in (keys, values))
            for i in range(L):
                e = [math.exp(float(q[b, h, i] @ key) / math.sqrt(dh)) for key in k]
                for weight, value in zip(e, v, strict=True):
                    out[b, i, h * dh : (h + 1) * dh] += weight / sum(e) * value
    return out


def drawn(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_prefix_attention_is_the_paper_s() -> None:
    q, keys, values = drawn(2, 4, 5, 3, seed=0), drawn(7, 12, seed=1), drawn(7, 12, seed=2)
    torch.testing.assert_close(
        attend(q, keys, values), by_hand(q, keys, values), atol=1e-14, rtol=0
    )
    each = torch.stack([keys, 2 * keys]), torch.stack([values, -values])
    rows = [by_hand(q[i : i + 1], each[0][i], each[1][i]) for i in (0, 1)]
    torch.testing.assert_close(attend(q, *each), torch.cat(rows), atol=1e-14, rtol=0)


@pytest.mark.parametrize("causal", [False, True])
@torch.no_grad()
def test_a_whole_block_adds_the_prefix_before_the_output_projection(causal: bool) -> None:
    """Tokens have their own softmax; the prefix has no mask; the output's bias counts once."""
    torch.manual_seed(3)
    original = nn.MultiheadAttention(12, 4, batch_first=True).double()
    nn.init.normal_(original.out_proj.bias)
    block, x = Attention(original, causal), drawn(2, 5, 12, seed=4)
    prefix = Prefix(drawn(3, 12, seed=5), drawn(3, 12, seed=6)).scaled(0.3)
    mask = torch.full((5, 5), float("-inf")).triu(1).double() if causal else None
    seen: list[Tensor] = []
    with block.watch(lambda flow: seen.extend([flow.q, flow.heads])):
        plain, _ = block(x)
        block.add(Adapter(to_heads=lambda q, k, v: attend(q, prefix.keys, prefix.values)))
        found, _ = block(x)
    expected, _ = original(x, x, x, attn_mask=mask, need_weights=False)
    torch.testing.assert_close(plain, expected)
    added = 0.3 * by_hand(seen[0], drawn(3, 12, seed=5), drawn(3, 12, seed=6))
    torch.testing.assert_close(seen[3], seen[1] + added)
    torch.testing.assert_close(found, plain + added @ original.out_proj.weight.T)


@pytest.mark.parametrize(("precision", "within"), [("fp32", 1e-4), ("bf16", 0.05)])
def test_gradients_of_a_few_images_at_a_time_are_those_of_the_batch(
    precision: str, within: float
) -> None:
    """On the way back, activations are computed again: the prefix must still be in place."""
    few = gradients("diki", Division(images_at_once=5), precision)
    assert apart(few, gradients("diki", precision=precision)) < within
