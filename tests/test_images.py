"""Labelled images: chosen by rows, told apart by their fingerprints, cropped from the originals."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from cl_bench.benchmark import images as module
from cl_bench.benchmark.images import HASHED, Images, digest_of_pixels, numbered


def made(count: int = 6, channels: int = 3, side: int = 4) -> Images:
    draw = np.random.default_rng(0)
    pixels = draw.integers(0, 256, (count, channels, side, side), dtype=np.uint8)
    return Images(torch.from_numpy(pixels), torch.arange(count) % 3)


def test_rows_are_taken_in_the_order_asked_for() -> None:
    images = made()
    rows = torch.tensor([4, 0, 4])
    assert torch.equal(images.take(rows), images.pixels[rows])
    assert len(images) == 6 and images.take(torch.tensor([], dtype=torch.int64)).shape[0] == 0


def test_a_subset_keeps_what_belongs_to_each_image() -> None:
    images = made()
    whole = Images(
        images.pixels, images.targets,
        original=lambda i: Image.new("RGB", (8, 8), (i, 0, 0)),
        digests=[f"digest {i}" for i in range(6)],
        called=lambda i: f"file {i}",
        left_out=("broken.png",),
    )  # fmt: skip
    part = whole.subset(torch.tensor([5, 2]))
    assert torch.equal(part.pixels, images.pixels[[5, 2]])
    assert part.targets.tolist() == [2, 2]
    assert list(part.digests) == ["digest 5", "digest 2"]
    assert [part.called(i) for i in range(2)] == ["file 5", "file 2"]
    assert part.original is not None and part.original(0).getpixel((0, 0)) == (5, 0, 0)
    assert part.left_out == ("broken.png",)
    assert part.rows is not None and part.rows.tolist() == [5, 2]


def test_images_without_files_are_called_by_their_number_from_one() -> None:
    assert numbered(0) == "image 1" and made().called(2) == "image 3"
    assert made().subset(torch.tensor([3])).called(0) == "image 4"


def test_a_fingerprint_is_equal_exactly_where_the_data_is() -> None:
    images = made()
    changed = images.pixels.clone()
    changed[3, 0, 0, 0] ^= 1  # one bit
    targets = images.targets.clone()
    targets[0] = 1
    fingerprints = [
        images.fingerprint,
        Images(changed, images.targets).fingerprint,
        Images(images.pixels, targets).fingerprint,
        Images(images.pixels.flip(0), images.targets).fingerprint,
        images.subset(torch.arange(5)).fingerprint,
    ]
    assert len(set(fingerprints)) == 5
    assert Images(images.pixels.clone(), images.targets.clone()).fingerprint == fingerprints[0]


@pytest.mark.parametrize("count", [1, HASHED - 1, HASHED, HASHED + 1, 3 * HASHED])
def test_a_known_digest_spares_the_pixels_and_gives_the_same_fingerprint(count: int) -> None:
    images = made(count)
    known = Images(
        images.pixels, images.targets, known_digest=digest_of_pixels(images.pixels.numpy())
    )
    assert known.fingerprint == images.fingerprint
    wrong = Images(images.pixels, images.targets, known_digest="0" * 64)
    assert wrong.fingerprint != images.fingerprint, "it is what is used"


def test_crops_come_from_the_original_image_where_there_is_one() -> None:
    images = made(side=8)
    originals = Images(
        images.pixels, images.targets, original=lambda i: Image.new("RGB", (50, 40), (10 * i, 0, 7))
    )
    crops = originals.crop(torch.tensor([2, 5]), torch.tensor([1, 2]), 8)
    assert crops.shape == (2, 3, 8, 8) and crops.dtype == torch.uint8
    assert crops[:, 0].unique().tolist() == [20, 50] and crops[:, 2].unique().tolist() == [7]
    drawn = images.crop(torch.tensor([2, 5]), torch.tensor([1, 2]), 8)
    assert not torch.equal(drawn, crops)
    again = images.crop(torch.tensor([5]), torch.tensor([2]), 8)
    assert torch.equal(again[0], drawn[1]), "an image and its seed decide, not the batch"


def test_a_grey_image_is_cropped_in_three_equal_channels() -> None:
    crops = made(channels=1, side=8).crop(torch.tensor([0]), torch.tensor([3]), 8)
    assert torch.equal(crops[:, 0], crops[:, 1]) and torch.equal(crops[:, 0], crops[:, 2])


def test_pixels_go_to_the_gpu_only_where_it_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the decision is tested: the move itself is replaced."""
    images, moved = made(), Images(torch.zeros(1), torch.zeros(1))
    monkeypatch.setattr(module, "replace", lambda *given, **changes: moved)
    monkeypatch.setattr(torch.Tensor, "to", lambda self, device: self)
    for free, expected in ((4 * 6 * 48 - 1, images), (4 * 6 * 48, moved)):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device, free=free: (free, 0))
        assert images.to(torch.device("cuda", 0)) is expected
    assert images.to(torch.device("cpu")) is images
