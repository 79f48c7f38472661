"""The mini suite's pictures can be told apart, and its reference set is of another kind."""

from __future__ import annotations

import hashlib
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from cl_bench.datasets.mini import references
from cl_bench.datasets.mini.captions import every_caption
from cl_bench.datasets.mini.domains import DOMAINS, draw
from cl_bench.datasets.mini.suite import mini_suite

Pixels = NDArray[np.uint8]


@cache
def drawn(domain: str, split: str) -> tuple[Pixels, NDArray[np.int64]]:
    return draw(domain, split)  # type: ignore[arg-type]


def digests(images: Pixels) -> list[str]:
    return [hashlib.sha256(image.tobytes()).hexdigest() for image in images]


def summary(images: Pixels) -> NDArray[np.float64]:
    """Coarse colours and their spread in 8 x 8 cells, and how strong each spatial frequency is."""
    cells = images.reshape(len(images), 3, 8, 4, 8, 4).astype(float)
    means, spread = cells.mean(axis=(3, 5)), cells.std(axis=(3, 5))
    grey = images.mean(axis=1)
    grey = (grey - grey.mean(axis=(1, 2), keepdims=True)) / (
        grey.std(axis=(1, 2), keepdims=True) + 1
    )
    waves = 3 * np.log1p(abs(np.fft.rfft2(grey)))
    return np.concatenate(
        [part.reshape(len(images), -1) for part in (means, spread, waves)], axis=1
    )


@pytest.mark.parametrize("domain", DOMAINS)
def test_classes_can_be_told_apart_by_their_pixels(domain: str) -> None:
    """The nearest class mean of training is right far more often than chance on test images."""
    (train, of_train), (test, of_test) = drawn(domain, "train"), drawn(domain, "test")
    classes = len(DOMAINS[domain].classnames)
    features, asked = summary(train), summary(test)
    scale = features.std(axis=0) + 1e-6
    means = np.stack([features[of_train == c].mean(axis=0) for c in range(classes)]) / scale
    distances = ((asked[:, None] / scale - means[None]) ** 2).sum(axis=-1)
    right = (distances.argmin(axis=1) == of_test).mean()
    assert right > 3 / classes


@pytest.mark.parametrize("domain", DOMAINS)
def test_no_image_is_drawn_twice_and_none_is_in_both_splits(domain: str) -> None:
    train, test = (digests(drawn(domain, split)[0]) for split in ("train", "test"))
    assert len(set(train + test)) == len(train) + len(test)


@pytest.mark.parametrize("domain", DOMAINS)
def test_classes_have_equally_many_images_in_their_order(domain: str) -> None:
    for split, count in (("train", 60), ("test", 20)):
        images, labels = drawn(domain, split)
        assert images.shape == (len(labels), 3, 32, 32) and images.dtype == np.uint8
        assert (
            labels.tolist() == np.repeat(np.arange(len(DOMAINS[domain].classnames)), count).tolist()
        )


def test_the_suite_asks_for_what_is_drawn() -> None:
    for task in mini_suite().tasks:
        domain = DOMAINS[task.name]
        assert task.classnames == domain.classnames and len(set(task.classnames)) > 1
        assert task.templates == domain.templates
        assert (task.train_size, task.test_size) == tuple(
            len(drawn(task.name, split)[1]) for split in ("train", "test")
        )
        assert all(template.count("{}") == 1 for template in task.templates)


def test_references_are_none_of_the_tasks_images() -> None:
    images = references.reference_images()
    assert np.array_equal(images, references.reference_images()), "the same on every call"
    own = {
        d
        for domain in DOMAINS
        for split in ("train", "test")
        for d in digests(drawn(domain, split)[0])
    }
    assert not own & set(digests(images)) and len(set(digests(images))) == len(images)


def test_reference_texts_name_every_class_and_are_no_prompts_repeated() -> None:
    texts = references.reference_texts()
    assert len(set(texts)) == len(texts)
    for domain in DOMAINS.values():
        for name in domain.classnames:
            assert any(name in text for text in texts), name


@pytest.mark.parametrize("domain", DOMAINS)
def test_captions_of_a_concept_all_name_it(domain: str) -> None:
    concept = DOMAINS[domain].classnames[0]
    captions = every_caption(domain, concept)
    assert len(set(captions)) == len(captions) >= 16
    assert all(concept in caption for caption in captions)
