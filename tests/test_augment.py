"""Random resized crops: inside the image, of the share and aspect that were asked for."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cl_bench.benchmark.augment import AREA, ASPECT, crop_box, random_resized_crop

SIDES = st.integers(1, 600)


@given(SIDES, SIDES, st.integers(0, 2**63))
def test_a_crop_lies_inside_the_image(width: int, height: int, seed: int) -> None:
    left, top, w, h = crop_box(width, height, random.Random(seed))
    assert w > 0 and h > 0
    assert 0 <= left <= width - w and 0 <= top <= height - h


@given(st.integers(100, 600), st.integers(0, 2**63))
def test_a_square_images_crop_has_the_share_and_the_aspect(side: int, seed: int) -> None:
    """Up to the rounding of both sides to whole pixels."""
    _, _, w, h = crop_box(side, side, random.Random(seed))
    assert AREA[0] - 2 / side <= w * h / side**2 <= 1
    assert ASPECT[0] * 0.97 <= w / h <= ASPECT[1] * 1.03


@given(st.integers(2, 60), st.integers(0, 2**63))
def test_an_image_far_too_wide_gives_the_widest_crop_of_its_middle(height: int, seed: int) -> None:
    width = 20 * height
    left, top, w, h = crop_box(width, height, random.Random(seed))
    assert (top, h, w) == (0, height, round(height * ASPECT[1]))
    assert left == (width - w) // 2


def test_crops_of_one_image_differ_and_cover_its_corners() -> None:
    boxes = {crop_box(64, 64, random.Random(seed)) for seed in range(300)}
    assert len(boxes) > 50
    assert {left for left, *_ in boxes} >= {0, 1, 2}
    assert max(left + w for left, _, w, _ in boxes) == 64


def test_the_result_is_the_box_resized_by_pillow() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (50, 70, 3), dtype=np.uint8)
    image, seed = Image.fromarray(noise), 11
    left, top, w, h = crop_box(70, 50, random.Random(seed))
    expected = image.resize((32, 32), Image.Resampling.BICUBIC, (left, top, left + w, top + h))
    found = random_resized_crop(image, 32, seed)
    assert found.size == (32, 32)
    difference = np.asarray(found).astype(int) - np.asarray(expected).astype(int)
    inner = difference[2:-2, 2:-2]  # at its edge, a crop does not know the pixels outside
    assert abs(inner).max() <= 1
