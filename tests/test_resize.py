"""Resizing on the model's device gives Pillow's bytes, whatever the sizes."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cl_bench.benchmark.resize import resize


def pillow(pixels: np.ndarray, size: int) -> np.ndarray:
    """Uint8 [B, C, H, H] resized image by image and channel by channel, [B, C, S, S]."""
    flat = pixels.reshape(-1, *pixels.shape[2:])
    resized = [
        np.asarray(Image.fromarray(one).resize((size, size), Image.Resampling.BICUBIC))
        for one in flat
    ]
    return np.stack(resized).reshape(*pixels.shape[:2], size, size)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 2**32 - 1))
def test_any_size_to_any_size_equals_pillow(old: int, new: int, seed: int) -> None:
    """Noise, and black and white: there the kernel overshoots, and Pillow clamps."""
    draw = np.random.default_rng(seed)
    noise = draw.integers(0, 256, (1, 2, old, old), dtype=np.uint8)
    extremes = draw.choice(np.array([0, 255], dtype=np.uint8), (1, 2, old, old))
    pixels = np.concatenate([noise, extremes])
    assert np.array_equal(resize(torch.from_numpy(pixels), new).numpy(), pillow(pixels, new))


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 255))
def test_one_colour_stays_that_colour(old: int, new: int, value: int) -> None:
    pixels = torch.full((1, 3, old, old), value, dtype=torch.uint8)
    assert torch.equal(resize(pixels, new), torch.full((1, 3, new, new), value, dtype=torch.uint8))


def test_turning_and_mirroring_commute_with_it() -> None:
    draw = np.random.default_rng(0)
    pixels = torch.from_numpy(draw.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8))
    resized = resize(pixels, 64)
    assert torch.equal(resize(pixels.flip(-1), 64), resized.flip(-1))
    assert torch.equal(resize(pixels.flip(-2), 64), resized.flip(-2))


def test_the_same_size_is_the_same_tensor_and_batches_do_not_mix() -> None:
    draw = np.random.default_rng(1)
    pixels = torch.from_numpy(draw.integers(0, 256, (4, 1, 28, 28), dtype=np.uint8))
    assert resize(pixels, 28) is pixels
    together = resize(pixels, 50)
    assert together.dtype == torch.uint8
    assert torch.equal(together, torch.cat([resize(one[None], 50) for one in pixels]))
