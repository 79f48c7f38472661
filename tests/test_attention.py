"""Attention in the open: what it shows, and several adapters and watchers side by side."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import pytest
import torch
from golden_clip import golden_clip, images, recorded
from test_low_rank import features, random_updates
from torch import Tensor, nn

from cl_bench.benchmark.attention import Adapter, Attended, Attention
from cl_bench.methods.features import Gram, watching
from cl_bench.methods.low_rank import Adapters

GOLD, _ = recorded("keeplora")
D, HEADS = 32, 4
CAUSAL = torch.full((7, 7), float("-inf")).triu(1)


@pytest.fixture
def x() -> Tensor:
    return torch.randn(3, 7, D, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def block() -> Attention:
    torch.manual_seed(1)
    original = nn.MultiheadAttention(D, HEADS, batch_first=True)
    nn.init.normal_(original.in_proj_bias)
    nn.init.normal_(original.out_proj.bias)
    return Attention(original)


def whole(seed: int) -> Adapter:
    """Something to add at every place."""
    W = torch.randn(4, D, D, generator=torch.Generator().manual_seed(seed)) / D**0.5
    return Adapter(
        to_qkv=lambda x: torch.stack([x @ w for w in W[:3]]),
        to_heads=lambda q, k, v: joined(v) * seed,
        to_out=lambda h: h @ W[3],
    )


def joined(heads: Tensor) -> Tensor:
    """[B, heads, L, d/heads] -> [B, L, d]."""
    return heads.transpose(1, 2).flatten(-2)


def by_hand(block: Attention, x: Tensor, *adapters: Adapter, mask: Tensor | None = None) -> Tensor:
    """The same, written out with one softmax per head; all parts of every adapter are there."""
    qkv = (x @ block.in_proj_weight.T + block.in_proj_bias).chunk(3, dim=-1)
    parts = [part + sum(a.to_qkv(x)[i] for a in adapters) for i, part in enumerate(qkv)]  # type: ignore[misc]
    q, k, v = (p.unflatten(-1, (HEADS, -1)).transpose(1, 2) for p in parts)
    scores = q @ k.mT / math.sqrt(D / HEADS)
    h = joined((scores if mask is None else scores + mask).softmax(dim=-1) @ v)
    h = h + sum(a.to_heads(q, k, v) for a in adapters)  # type: ignore[misc]
    return block.out_proj(h) + sum(a.to_out(h) for a in adapters)  # type: ignore[misc]


@pytest.mark.parametrize("mask", [None, CAUSAL], ids=["whole", "causal"])
def test_every_adapter_counts(block: Attention, x: Tensor, mask: Tensor | None) -> None:
    """The second one used to take the first one's place."""
    adapters = [whole(1), whole(2), whole(3)]
    for i, adapter in enumerate(adapters):
        block.add(adapter)
        expected = by_hand(block, x, *adapters[: i + 1], mask=mask)
        torch.testing.assert_close(block(x, attn_mask=mask)[0], expected, atol=2e-5, rtol=1e-5)


def test_the_same_adapter_twice_adds_twice(block: Attention, x: Tensor) -> None:
    block.add(adapter := Adapter(to_out=torch.tanh))
    once = block(x)[0]
    block.add(adapter)
    plain = copy_of(block)(x)[0]
    torch.testing.assert_close(block(x)[0] - once, once - plain, atol=1e-5, rtol=1e-5)


def copy_of(block: Attention) -> Attention:
    """A copy with nothing attached."""
    bare = copy.deepcopy(block)
    bare.adapters.clear()
    bare.watchers.clear()
    return bare


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_removing_one_adapter_leaves_the_others(block: Attention, x: Tensor, gone: int) -> None:
    adapters = [whole(1), whole(2), whole(3)]
    handles = [block.add(adapter) for adapter in adapters]
    for _ in range(2):  # a second time changes nothing
        handles[gone].remove()
        left = [a for i, a in enumerate(adapters) if i != gone]
        torch.testing.assert_close(block(x)[0], by_hand(block, x, *left), atol=2e-5, rtol=1e-5)


def test_once_all_are_gone_the_result_is_the_first_one_bit_for_bit(
    block: Attention, x: Tensor
) -> None:
    plain = block(x)[0]
    handles = [block.add(whole(1)), block.watch(lambda flow: None), block.add(whole(2))]
    assert not torch.equal(block(x)[0], plain)
    for handle in handles:
        handle.remove()
    assert torch.equal(block(x)[0], plain)


def test_order_is_that_of_attachment_bit_for_bit(block: Attention, x: Tensor) -> None:
    """(out + a) + b, not another sum: the log of a run must not depend on who asks."""
    big = Adapter(to_out=lambda h: torch.full_like(h, 1e8))
    minus = Adapter(to_out=lambda h: torch.full_like(h, -1e8))
    small = Adapter(to_out=lambda h: torch.full_like(h, 0.25))
    plain = block(x)[0]
    for adapter in (big, minus, small):
        block.add(adapter)
    assert torch.equal(block(x)[0], ((plain + 1e8) - 1e8) + 0.25)


def test_an_adapter_with_one_part_touches_nothing_else(block: Attention, x: Tensor) -> None:
    flows: list[Attended] = []
    block.watch(flows.append)
    block(x)
    block.add(Adapter(to_heads=lambda q, k, v: torch.ones(3, 7, D)))
    block(x)
    before, after = flows
    assert torch.equal(before.q, after.q) and torch.equal(before.v, after.v)
    assert torch.equal(after.heads, before.heads + 1)


@pytest.mark.parametrize(
    "adapter",
    [
        Adapter(to_qkv=lambda x: x),  # [B, L, d] would be added to q, k and v alike
        Adapter(to_heads=lambda q, k, v: torch.ones(D)),
        Adapter(to_out=lambda h: h[:1]),
        Adapter(to_out=lambda h: h.expand(2, *h.shape)),
    ],
)
def test_a_shape_that_would_be_broadcast_is_refused(
    block: Attention, x: Tensor, adapter: Adapter
) -> None:
    block.add(adapter)
    with pytest.raises(ValueError, match="give it that shape"):
        block(x)


@pytest.mark.parametrize("name", ["add_to_qkv", "add_to_out", "watch"])
def test_what_earlier_versions_set_is_refused(block: Attention, name: str) -> None:
    """It would be ignored: the method's adapter or statistic would just not be there."""
    with pytest.raises(AttributeError, match=rf"attention\.{name} is not set any more"):
        setattr(block, name, lambda *arguments: None)


def test_watchers_see_queries_keys_and_values_as_they_are_used(block: Attention, x: Tensor) -> None:
    block.add(whole(1))
    flows: list[Attended] = []
    block.watch(flows.append)
    out = block(x, attn_mask=CAUSAL)[0]
    (flow,) = flows
    assert flow.x is x and flow.out is out
    assert flow.q.shape == flow.k.shape == flow.v.shape == (3, HEADS, 7, D // HEADS)
    scores = flow.q @ flow.k.mT / math.sqrt(D / HEADS) + CAUSAL
    heads = joined(scores.softmax(dim=-1) @ flow.v) + joined(flow.v)  # what whole(1) adds
    torch.testing.assert_close(flow.heads, heads, atol=2e-5, rtol=1e-5)
    expected = block.out_proj(flow.heads) + whole(1).to_out(flow.heads)  # type: ignore[misc]
    torch.testing.assert_close(flow.out, expected)
    q, k, v = (joined(part) for part in (flow.q, flow.k, flow.v))
    projected = x @ block.in_proj_weight.T + block.in_proj_bias
    added = whole(1).to_qkv(x)  # type: ignore[misc]
    torch.testing.assert_close(torch.stack([q, k, v]), torch.stack(projected.chunk(3, -1)) + added)


def test_several_watch_and_each_stops_alone(block: Attention, x: Tensor) -> None:
    counts = [0, 0, 0]

    def counter(i: int) -> Callable[[Attended], None]:
        def count(flow: Attended) -> None:
            counts[i] += 1

        return count

    first, second, third = (block.watch(counter(i)) for i in range(3))
    block(x)
    second.remove()
    block(x)
    with third:
        block(x)
    block(x)
    assert counts == [4, 1, 3]
    first.remove()
    assert not block.watchers


def test_a_watcher_may_stop_itself(block: Attention, x: Tensor) -> None:
    seen: list[Tensor] = []

    def once(flow: Attended) -> None:
        seen.append(flow.x)
        handle.remove()

    handle = block.watch(once)
    also = block.watch(lambda flow: seen.append(flow.out))
    block(x)
    block(x)
    assert len(seen) == 3 and list(block.watchers) == [also.id]


def test_nobody_watches_on_after_an_exception() -> None:
    """Else every later pass, evaluation included, would be added to the statistic."""
    clip = golden_clip()
    kept = clip.attentions()["v"][1].watch(lambda flow: None)
    with pytest.raises(RuntimeError, match="stop"), watching(clip.attentions()["v"], Gram):
        raise RuntimeError("stop")
    left = [list(a.watchers) for a in clip.attentions()["v"]]
    assert left == [[], [kept.id], []]


@torch.no_grad()
def test_two_statistics_at_a_time_are_those_of_one() -> None:
    clip, some = golden_clip(), images(GOLD["T1/images"][:4])
    blocks = clip.attentions()["v"]
    with watching(blocks, Gram) as alone:
        clip.encode_images(some)
    with watching(blocks, Gram) as outer, watching(blocks, Gram) as inner:
        clip.encode_images(some)
    for expected, *both in zip(alone, outer, inner, strict=True):
        for kind in ("in", "out"):
            assert all(torch.equal(expected[kind].gram(), of[kind].gram()) for of in both)


@torch.no_grad()
def test_two_low_rank_updates_count_together_and_merge_apart() -> None:
    clip = golden_clip()
    plain, first, second = features(clip), Adapters(clip), Adapters(clip)
    first.attach(random_updates(clip))
    one = features(clip)
    second.attach(random_updates(clip, r=2))
    both = features(clip)
    for a, b, c in zip(plain, one, both, strict=True):
        assert (a - b).abs().max() > 1e-2 and (b - c).abs().max() > 1e-2
    first.merge()
    assert all(len(block.adapters) == 1 for block in clip.attentions()["t"])
    for expected, found in zip(both, features(clip), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
    second.merge()
    for expected, found in zip(both, features(clip), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_a_copied_model_keeps_its_adapters_when_the_first_loses_them() -> None:
    """A teacher is a deep copy of a student in training."""
    clip = golden_clip()
    adapters = Adapters(clip)
    adapters.attach(random_updates(clip))
    before, teacher = features(clip), copy.deepcopy(clip)
    adapters.merge()
    clip.attentions()["v"][0].out_proj.weight.zero_()
    assert all(torch.equal(a, b) for a, b in zip(features(teacher), before, strict=True))
    assert not torch.equal(features(clip)[0], before[0])


def test_a_second_attention_over_keys_and_values_of_ones_own(block: Attention, x: Tensor) -> None:
    """w·softmax(q·P_kᵀ/√d_h)·P_v beside the heads, as DIKI has it: its own softmax, no mask."""
    torch.manual_seed(2)
    keys = nn.Parameter(torch.empty(5, D).uniform_(-1, 1))
    values = nn.Parameter(torch.zeros(5, D))
    share = torch.tensor([0.2, 0.5, 1.0])  # one weight per image

    def prefix(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        own = [
            p.unflatten(-1, (HEADS, -1)).transpose(0, 1).expand(3, -1, -1, -1)
            for p in (keys, values)
        ]
        return share[:, None, None] * joined(nn.functional.scaled_dot_product_attention(q, *own))

    plain = block(x, attn_mask=CAUSAL)[0]
    block.add(Adapter(to_heads=prefix))
    assert torch.equal(block(x, attn_mask=CAUSAL)[0], plain), "values of zero add nothing"
    with torch.no_grad():
        values.normal_()
    flows: list[Attended] = []
    block.watch(flows.append)
    out = block(x, attn_mask=CAUSAL)[0]
    for image in range(3):
        for head in range(HEADS):
            part = slice(head * D // HEADS, (head + 1) * D // HEADS)
            weights = (flows[0].q[image, head] @ keys[:, part].T / (D / HEADS) ** 0.5).softmax(-1)
            heads = (
                flows[0].q[image, head] @ flows[0].k[image, head].T / (D / HEADS) ** 0.5
            ) + CAUSAL
            expected = heads.softmax(-1) @ flows[0].v[image, head]
            expected = expected + share[image] * weights @ values[:, part]
            torch.testing.assert_close(
                flows[0].heads[image, :, part], expected, atol=1e-5, rtol=1e-5
            )
    out.square().sum().backward()
    assert keys.grad is not None and values.grad is not None
    assert keys.grad.abs().max() > 0 and values.grad.abs().max() > 0
