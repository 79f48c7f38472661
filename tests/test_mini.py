"""The embedded suite: what it draws, what its model saw, and the metrics that make it a problem."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.evaluate import accuracy, predict
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.datasets import backbones
from cl_bench.datasets.mini.captioned import captioned_things, captions, draw_captioned
from cl_bench.datasets.mini.captions import every_caption
from cl_bench.datasets.mini.domains import DOMAINS, draw
from cl_bench.datasets.mini.held_out import HELD_OUT, draw_held_out
from cl_bench.datasets.mini.pairs import drawn_pictures
from cl_bench.datasets.mini.pretrain import pretraining_images
from cl_bench.datasets.mini.references import reference_images, reference_texts
from cl_bench.datasets.mini.suite import mini_suite, tiny_clip
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.streams import build_stream

FOLDER = Path(backbones.__file__).parent / "mini"
RECIPE = json.loads((FOLDER / "tiny_clip.recipe.json").read_text())


def test_eleven_domains_stand_for_mtils_in_both_orders() -> None:
    suite = mini_suite()
    assert [t.name for t in suite.tasks] == [f"mini-{name}" for name in facts()["datasets"]]
    for order in ("I", "II"):
        assert suite.orders[order] == tuple(f"mini-{t}" for t in facts()["orders"][order])
    assert all(8 <= len(task.classnames) <= 12 for task in suite.tasks)


@pytest.mark.parametrize("name", DOMAINS)
def test_drawing(name: str) -> None:
    spec = mini_suite().task(name)
    for split, size in (("train", spec.train_size), ("test", spec.test_size)):
        images, targets = draw(name, split)  # type: ignore[arg-type]
        assert images.shape == (size, 3, 32, 32) and images.dtype == np.uint8
        assert set(targets) == set(range(len(spec.classnames)))
        assert np.array_equal(images, draw(name, split)[0])  # type: ignore[arg-type]
        assert len(np.unique(images.reshape(size, -1), axis=0)) == size, "no image twice"
    assert not _hashes(draw(name, "train")[0]) & _hashes(draw(name, "test")[0])


def _hashes(images: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> set[bytes]:
    return {hashlib.sha256(image.tobytes()).digest() for image in images}


@cache
def _seen_in_pretraining() -> set[bytes]:
    return _hashes(pretraining_images())


def test_no_image_of_the_suite_occurs_in_pretraining() -> None:
    seen = _seen_in_pretraining()
    assert len(seen) > 10_000
    for name in DOMAINS:
        for split in ("train", "test"):
            assert not seen & _hashes(draw(name, split)[0])  # type: ignore[arg-type]


@cache
def _learned_or_used() -> set[bytes]:
    """Images of pretraining, of all tasks and of extra data."""
    others = _seen_in_pretraining() | _hashes(reference_images()) | _hashes(drawn_pictures()[0])
    for name in DOMAINS:
        others |= _hashes(draw(name, "train")[0]) | _hashes(draw(name, "test")[0])
    return others


def test_no_held_out_image_is_in_pretraining_a_task_or_extra_data() -> None:
    others = _learned_or_used()
    assert len(others) > 30_000
    drawn = {name: _hashes(draw_held_out(name)[0]) for name in HELD_OUT}
    for name, own in drawn.items():
        images, _ = draw_held_out(name)
        assert len(own) == len(images) == 240, "no image twice"
        assert own == _hashes(images), "the same on every call"
        assert not own & others
    first, second = drawn.values()
    assert not first & second


def test_no_captioned_picture_is_in_anything_else_and_every_caption_was_read_in_pretraining() -> (
    None
):
    pictures = draw_captioned()
    own = _hashes(pictures)
    assert len(own) == len(pictures) == 128 and own == _hashes(draw_captioned())
    assert not own & _learned_or_used()
    assert not any(own & _hashes(draw_held_out(name)[0]) for name in HELD_OUT)
    texts = [text for _, text in captions()]
    assert len(set(texts)) == len(texts) == 3 * 128, "no text twice"
    for place, text in captions():
        assert text in every_caption(*captioned_things()[place])
    prompts = {t.format(c) for d in DOMAINS.values() for t in d.templates for c in d.classnames}
    assert not set(texts) & (prompts | set(reference_texts()) | set(drawn_pictures()[1]))


def test_digits_are_the_real_ones() -> None:
    images, targets = draw("mini-MNIST", "train")
    digits = load_digits()
    small = images[:, 0].astype(float).reshape(-1, 8, 4, 8, 4).mean(axis=(2, 4)) / 255 * 16
    for image, target in zip(small[::40], targets[::40], strict=True):
        nearest = np.abs(digits.images - image).mean(axis=(1, 2)).argmin()
        assert digits.target[nearest] == target


def test_shipped_weights_are_the_recipes() -> None:
    weights = FOLDER / "tiny_clip.safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == RECIPE["sha256"]
    assert weights.stat().st_size <= 8e6


def test_zero_shot_is_what_the_recipe_says_and_leaves_room() -> None:
    suite = mini_suite()
    clip = backbones.load(tiny_clip(), "cpu")
    method = Method(clip, MethodConfig(), Assets())
    scores = {}
    for task in build_stream("mini", suite.tasks, clip.image_size).tasks:
        classify = method.classifier(task.labels.first_prompts())
        predictions = predict(classify, task.test, clip.normaliser())
        scores[task.name] = accuracy(predictions, task.test.targets)
        # one image more or less, where another processor rounds another way
        assert scores[task.name] == pytest.approx(RECIPE["zero_shot"][task.name], abs=0.6)
        assert scores[task.name] > 1.5 * 100 / len(task.labels.classnames)
    assert 45 <= sum(scores.values()) / len(scores) <= 75
