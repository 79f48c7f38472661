"""What a GPU's fast attention kernels ask for, of every block: no mask, 16 bits, aligned heads.

Which kernel runs can be asked on a GPU alone. Its conditions can be tried anywhere: a kernel that keeps
no matrix of weights takes no mask, 16-bit numbers, and heads of a multiple of eight without gaps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import open_clip
import pytest
import torch
import torch.nn.functional as F
from golden_clip import golden_clip
from torch import Tensor, nn
from two_tasks import TEXT, VISION, known, played

from cl_bench.benchmark.attention import Adapter, Attention
from cl_bench.benchmark.clip import Clip
from cl_bench.benchmark.precision import autocast
from cl_bench.methods.low_rank import Adapters

product = F.scaled_dot_product_attention


class Asked:
    """What attention was asked to compute, call by call; each is computed, too."""

    def __init__(self) -> None:
        self.calls: list[tuple[Tensor, Tensor, Tensor, Tensor | None, bool]] = []

    def __call__(
        self, q: Tensor, k: Tensor, v: Tensor, attn_mask: Tensor | None, is_causal: bool
    ) -> Tensor:
        self.calls.append((q, k, v, attn_mask, is_causal))
        return product(q, k, v, attn_mask=attn_mask, is_causal=is_causal)

    def must_be_fast(self) -> None:
        assert self.calls
        for q, k, v, mask, _ in self.calls:
            assert mask is None and q.shape == k.shape == v.shape and q.shape[-1] % 8 == 0
            for x in (q, k, v):
                assert x.dtype in (torch.bfloat16, torch.float16) and x.stride(-1) == 1
                assert all(step % 8 == 0 for step in (*x.stride()[:-1], x.storage_offset()))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr("cl_bench.benchmark.attention.F.scaled_dot_product_attention", asked)
    return asked


def tokens(rows: int, length: int, ids: int) -> Tensor:
    """Texts of different lengths, the longest of ``length`` positions."""
    drawn = torch.randint(1, ids - 1, (rows, length), generator=torch.Generator().manual_seed(3))
    for i, row in enumerate(drawn):
        row[length - 1 - i % 3 :] = 0
        row[length - 1 - i % 3] = ids - 1
    return drawn


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("deep", [False, True])
def test_every_block_of_both_towers_of_vit_b_16_s_widths(
    precision: str, deep: bool, asked: Asked
) -> None:
    vision = {"image_size": 32, "patch_size": 16, "width": 768, "layers": 2, "head_width": 64}
    text = {"context_length": 77, "vocab_size": 99, "width": 512, "layers": 3, "heads": 8}
    clip = Clip(open_clip.CLIP(512, vision, text), lambda prompts: torch.zeros(0))
    Adapters(clip).attach_fresh(rank=4, scaling=1.0)
    added = torch.randn(2, 1, 3, 512) if deep else None
    with autocast("cpu", precision):
        clip.encode_images(torch.randn(2, 3, 32, 32))
        clip.encode_text(tokens(3, 9, 99), added)
    asked.must_be_fast()
    assert [of[-1] for of in asked.calls] == [False] * 2 + [True] * 3, "the text tower is causal"
    assert {of[0].shape[-1] for of in asked.calls} == {64}


@pytest.mark.parametrize("name", ["keeplora+", "sd-lora", "moe-adapters", "zscl"])
def test_training_and_evaluation_of_methods(name: str, asked: Asked) -> None:
    """Passes for statistics compute in float32: they are left out."""
    played(*known(name), "bf16", None)
    asked.calls = [of for of in asked.calls if of[0].dtype != torch.float32]
    asked.must_be_fast()
    assert VISION["head_width"] == TEXT["width"] // TEXT["heads"] == 16
    assert {of[-1] for of in asked.calls} == {False, True}


def test_heads_of_the_published_backbones() -> None:
    for name in ("ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336", "ViT-H-14", "ViT-g-14"):
        config = open_clip.get_model_config(name)
        assert config["vision_cfg"].get("head_width", 64) % 8 == 0, name
        assert config["text_cfg"]["width"] // config["text_cfg"]["heads"] % 8 == 0, name


def causal(length: int, dtype: torch.dtype) -> Tensor:
    return torch.full((length, length), float("-inf"), dtype=dtype).triu(1)


@pytest.fixture(params=[torch.float32, torch.float64])
def dtype(request: pytest.FixtureRequest) -> Iterator[torch.dtype]:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("length", [1, 2, 7, 8, 16, 31, 33, 64, 77])
def test_causal_without_a_mask_equals_the_mask(length: int, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    block = Attention(nn.MultiheadAttention(64, 2, batch_first=True), causal=True).to(dtype)
    W = torch.randn(64, 64, dtype=dtype) / 8
    block.add(Adapter(to_qkv=lambda x: torch.stack([x @ W] * 3)))
    x = torch.randn(3, length, 64, dtype=dtype)

    def both(**mask: Any) -> list[Tensor]:
        there = x.clone().requires_grad_(True)
        out = block(there, **mask)[0]
        gradients = torch.autograd.grad(out.pow(3).sum(), [there, *block.parameters()])
        return [out, *gradients]

    for ours, masked in zip(both(), both(attn_mask=causal(length, dtype)), strict=True):
        torch.testing.assert_close(ours, masked)
    if length > 1:
        moved = x.clone()
        moved[:, -1] += 1
        assert torch.equal(block(moved)[0][:, :-1], block(x)[0][:, :-1]), "nothing looks ahead"


@pytest.mark.parametrize("prompts", [None, (2,), (3, 2), (2, 1, 2), (2, 3, 2)])
def test_the_text_tower_equals_the_one_with_a_mask(
    prompts: tuple[int, ...] | None, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = golden_clip().to(dtype)
    width = clip.attentions()["t"][0].width
    added = None if prompts is None else torch.randn(*prompts, width, dtype=dtype)
    texts = tokens(3, 9, clip.model.vocab_size)
    ours = clip.encode_text(texts, added)

    def masked(q: Tensor, k: Tensor, v: Tensor, attn_mask: None, is_causal: bool) -> Tensor:
        assert is_causal and attn_mask is None
        return product(q, k, v, attn_mask=causal(q.shape[-2], q.dtype))

    monkeypatch.setattr("cl_bench.benchmark.attention.F.scaled_dot_product_attention", masked)
    torch.testing.assert_close(ours, clip.encode_text(texts, added))


def test_the_image_tower_looks_everywhere() -> None:
    block = golden_clip().attentions()["v"][0]
    x = torch.randn(1, 5, block.width)
    moved = x.clone()
    moved[:, -1] += 1
    assert not block.causal and not torch.equal(block(moved)[0][:, 0], block(x)[0][:, 0])
