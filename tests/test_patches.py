"""The patch embedding as a product, as GPUs compute it, equals the convolution."""

from __future__ import annotations

import pytest
import torch
from golden_clip import golden_clip
from torch import nn

from cl_bench.benchmark.patches import PatchEmbedding
from cl_bench.benchmark.precision import autocast


@pytest.mark.parametrize("size", [8, 14, 16])
@pytest.mark.parametrize(("dtype", "within"), [(torch.float32, 1e-5), (torch.float64, 1e-13)])
def test_product_equals_convolution(size: int, dtype: torch.dtype, within: float) -> None:
    torch.manual_seed(0)
    original = nn.Conv2d(3, 24, size, size, bias=False).to(dtype)
    ours = PatchEmbedding(original)
    x = torch.randn(2, 3, 3 * size, 3 * size, dtype=dtype, requires_grad=True)
    results = []
    for compute in (original, ours, ours.product):
        y = compute(x)
        results.append([y, *torch.autograd.grad(y.square().mean(), [x, original.weight])])
    assert all(torch.equal(a, b) for a, b in zip(results[0], results[1], strict=True))
    for a, b in zip(results[0], results[2], strict=True):
        assert a.shape == b.shape
        torch.testing.assert_close(a, b, rtol=within, atol=within)


def test_the_image_tower_has_one_and_its_features_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    clip, images = golden_clip(), torch.randn(3, 3, 32, 32)
    assert isinstance(clip.model.visual.conv1, PatchEmbedding)
    assert "visual.conv1.weight" in clip.model.state_dict()
    plain = clip.encode_images(images)
    asked: list[torch.dtype] = []
    product = PatchEmbedding.product

    def noted(self: PatchEmbedding, x: torch.Tensor) -> torch.Tensor:
        y = product(self, x)
        asked.append(y.dtype)
        return y

    monkeypatch.setattr(PatchEmbedding, "forward", noted)
    torch.testing.assert_close(clip.encode_images(images), plain, rtol=1e-5, atol=1e-6)
    with autocast("cpu", "bf16"):
        torch.testing.assert_close(clip.encode_images(images), plain, rtol=0, atol=0.02)
    assert asked == [torch.float32, torch.bfloat16]
