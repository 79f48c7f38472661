"""Images of any size, mode and format: the pixels that Pillow itself would give, or one line with the file."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzzing import cases
from hypothesis import example, given
from hypothesis import strategies as st
from own_suite import write_classes, write_suite
from PIL import Image

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.images.decode import BrokenImageError, decode
from cl_bench.datasets.images.pixel_rules import RULES
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.datasets.streams import build_stream

SIDES = st.one_of(st.integers(1, 48), st.sampled_from([1, 2, 3, 500, 2000]))
FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "GIF", "WEBP", "PPM", "JPEG2000")
MODES = sorted(RULES)
SIZES = st.sampled_from([1, 7, 32])


def noise(mode: str, width: int, height: int, seed: int) -> Image.Image | None:
    """Random pixels of a mode; ``None`` where this Pillow makes no such image."""
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    try:
        return Image.fromarray(pixels).convert(mode)
    except (ValueError, KeyError):
        return None


def saved(image: Image.Image, form: str, file: Path) -> bool:
    """Whether Pillow can write such an image."""
    content = io.BytesIO()
    try:
        image.save(content, form)
    except (OSError, ValueError, KeyError, SystemError):
        return False
    file.write_bytes(content.getvalue())
    return True


def by_pillow(image: Image.Image, size: int) -> np.ndarray:
    """Short side to ``size``, the middle of the long one: written out with Pillow alone."""
    width, height = image.size
    short = min(width, height)
    small = image.resize((size * width // short, size * height // short), Image.Resampling.BICUBIC)
    left, top = round((small.width - size) / 2), round((small.height - size) / 2)
    cropped = small.crop((left, top, left + size, top + size))
    return np.asarray(cropped).transpose(2, 0, 1)


@cases(200)
@example(1, 1, 32, "RGB", "PNG", 0)
@example(20_000, 3, 32, "RGB", "PNG", 0)
@example(3, 20_000, 32, "L", "PNG", 0)
@example(20_000, 3, 32, "CMYK", "JPEG", 0)
@given(SIDES, SIDES, SIZES, st.sampled_from(MODES), st.sampled_from(FORMATS), st.integers(0, 99))
def test_any_image(width: int, height: int, size: int, mode: str, form: str, seed: int) -> None:
    image = noise(mode, width, height, seed)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image"
        if image is None or not saved(image, form, file):
            return
        try:
            found = decode(file, size)
        except BrokenImageError as error:
            words = str(error)
            refused = mode in ("F", "I", "La", "LAB", "HSV") or mode.startswith("I;16")
        else:
            words, refused = "", False
            with Image.open(file) as opened:
                expected = by_pillow(opened.convert("RGB"), size)
    if words:
        assert refused and str(file) in words and "\n" not in words, (mode, form, words)
        return
    assert found.dtype == np.uint8 and found.shape == (3, size, size)
    if not mode.startswith(
        "I"
    ):  # Pillow clips more than 8 bits, which test_pixel_formats.py is about
        assert (found == expected).all(), (mode, form)


@cases(150)
@given(st.binary(max_size=200), st.sampled_from(FORMATS), st.integers(0, 400))
def test_bytes_that_begin_like_an_image(tail: bytes, form: str, kept: int) -> None:
    """Any bytes behind a good beginning: an image of the right shape, or one line with the file's name."""
    content = io.BytesIO()
    image = noise("RGB", 9, 5, 0)
    assert image is not None
    image.save(content, form)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image"
        file.write_bytes(content.getvalue()[:kept] + tail)
        try:
            found = decode(file, 8)
        except BrokenImageError as error:
            words = str(error)
        else:
            words = ""
            assert found.shape == (3, 8, 8)
    assert not words or (str(file) in words and len(words.splitlines()) == 1)


def test_a_20_000_pixel_line_is_read_up_to_pillow_s_limit(tmp_path: Path) -> None:
    image = noise("RGB", 20_000, 3, 0)
    assert image is not None and saved(image, "PNG", tmp_path / "line.png")
    assert decode(tmp_path / "line.png", 32).shape == (3, 32, 32)
    with pytest.raises(BrokenImageError, match=r"line\.png cannot be read: .*too long and narrow"):
        decode(tmp_path / "line.png", 336)


@pytest.mark.parametrize("split", ["training", "test"])
def test_skipping_broken_images_leaves_no_task_without_any(split: str, tmp_path: Path) -> None:
    """An accuracy over no images was a division by zero, at the first evaluation."""
    for part in ("training", "test"):
        write_classes(tmp_path / part, {"cat": 2, "oak": 2})
    suite = write_suite(tmp_path, 'name = "pets"\ntrain = "training"\ntest = "test"')
    (spec,) = read_suite(suite).tasks
    for file in (tmp_path / split).rglob("*.png"):
        file.write_bytes(file.read_bytes()[:40])
    with pytest.raises(UserError, match=rf"\Apets has no {split} image that can be read\Z"):
        build_stream("own", (spec,), 32, Store(broken="skip"))


def test_a_class_without_a_readable_training_image_is_learned_around(tmp_path: Path) -> None:
    for part in ("training", "test"):
        write_classes(tmp_path / part, {"cat": 2, "oak": 2})
    suite = write_suite(tmp_path, 'name = "pets"\ntrain = "training"\ntest = "test"')
    (spec,) = read_suite(suite).tasks
    for file in (tmp_path / "training" / "oak").rglob("*.png"):
        file.write_bytes(b"")
    (task,) = build_stream("own", (spec,), 32, Store(broken="skip")).tasks
    assert task.labels.classnames == ("cat", "oak") and torch.equal(
        task.train.targets, torch.zeros(2).long()
    )
    assert task.test.targets.tolist() == [0, 0, 1, 1]
