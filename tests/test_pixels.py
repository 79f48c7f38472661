"""From an image file to the model's input: the bytes that the published code would see."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import v2

from cl_bench.benchmark.augment import crop_box, random_resized_crop
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.pixels import Pixels
from cl_bench.benchmark.resize import resize
from cl_bench.benchmark.task import LabelSpace, Task, TrainingTask
from cl_bench.datasets.images.decode import BrokenImageError, decode, open_original


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize(("old", "new"), [(28, 224), (32, 224), (64, 224), (64, 48), (96, 31)])
def test_small_images_are_resized_as_pillow_does(old: int, new: int) -> None:
    pixels = noise(4, 3, old, old)
    reference = [
        np.asarray(Image.fromarray(p.transpose(1, 2, 0)).resize((new, new), Image.BICUBIC))
        for p in pixels
    ]
    ours = resize(torch.from_numpy(pixels), new).permute(0, 2, 3, 1)
    assert np.array_equal(ours.numpy(), np.stack(reference))


def test_grey_images_become_three_equal_channels() -> None:
    normalise = Pixels(8, torch.zeros(3, 1, 1), torch.tensor([1.0, 2.0, 4.0]).view(3, 1, 1))
    images = normalise(torch.from_numpy(noise(2, 1, 4, 4)))
    assert images.shape == (2, 3, 8, 8)
    torch.testing.assert_close(images[:, 0], 2 * images[:, 1])
    torch.testing.assert_close(images[:, 0], 4 * images[:, 2])


def photographs(folder: Path) -> Iterator[tuple[str, Path]]:
    """Files of every kind that the data sets hold."""
    colour = Image.fromarray(noise(60, 90, 3))
    yield "tall", _saved(Image.fromarray(noise(91, 57, 3)), folder / "tall.jpg")
    yield "grey", _saved(colour.convert("L"), folder / "grey.jpg")
    yield "cmyk", _saved(colour.convert("CMYK"), folder / "cmyk.jpg")
    yield "palette", _saved(colour.convert("P"), folder / "palette.png")
    yield "transparent", _saved(colour.convert("RGBA"), folder / "transparent.png")
    rotated = Image.Exif()
    rotated[0x0112] = 6  # orientation: a quarter turn
    colour.save(folder / "rotated.jpg", exif=rotated)
    yield "rotated", folder / "rotated.jpg"


def _saved(image: Image.Image, path: Path) -> Path:
    image.save(path)
    return path


def test_every_kind_of_file_is_decoded_as_torchvisions_data_sets_do(tmp_path: Path) -> None:
    bicubic = v2.InterpolationMode.BICUBIC
    published = v2.Compose([v2.Resize(32, interpolation=bicubic), v2.CenterCrop(32)])
    for kind, path in photographs(tmp_path):
        with Image.open(path) as image:
            reference = np.asarray(published(image.convert("RGB"))).transpose(2, 0, 1)
        assert np.array_equal(decode(path, 32), reference), kind


def test_broken_files_are_named(tmp_path: Path) -> None:
    whole = _saved(Image.fromarray(noise(64, 64, 3)), tmp_path / "whole.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.jpg").write_text("no image")
    for name, words in (("cut.jpg", "truncated"), ("text.jpg", "it is no image"), ("x.jpg", "No")):
        with pytest.raises(BrokenImageError, match=rf"{name} cannot be read: .*{words}"):
            open_original(tmp_path / name)
    with pytest.raises(BrokenImageError, match=r"whole\.jpg is not 32 x 32 pixels"):
        decode(tmp_path / "whole.jpg", 32, native=True)


def test_crops_follow_torchvisions_law() -> None:
    """Area uniform in 90-100 %, aspect log-uniform in 3/4-4/3, position uniform."""
    draw = random.Random(0)
    boxes = np.array([crop_box(200, 180, draw) for _ in range(4000)])
    torch.manual_seed(0)
    image = Image.new("RGB", (200, 180))
    theirs = np.array(
        [
            (left, top, width, height)
            for top, left, height, width in (
                _torchvision_box(image) for _ in range(4000)
            )
        ]
    )  # fmt: skip
    for ours, reference in zip(boxes.T, theirs.T, strict=True):
        assert abs(ours.mean() - reference.mean()) < 0.15 * reference.std() + 0.3
        assert abs(ours.std() - reference.std()) < 0.1 * reference.std() + 0.1
    area = boxes[:, 2] * boxes[:, 3] / (200 * 180)
    assert area.min() > 0.89 and area.max() <= 1.0


def _torchvision_box(image: Image.Image) -> tuple[int, int, int, int]:
    from torchvision.transforms import RandomResizedCrop

    return RandomResizedCrop.get_params(image, [0.9, 1.0], [3 / 4, 4 / 3])  # type: ignore[return-value]


def test_an_image_too_wide_for_any_crop_gives_its_middle() -> None:
    assert crop_box(400, 100, random.Random(0)) == (133, 0, 133, 100)
    assert crop_box(100, 400, random.Random(0)) == (0, 133, 100, 133)


def test_a_crop_depends_on_its_seed_alone() -> None:
    image = Image.fromarray(noise(50, 70, 3))
    one, again, other = (np.asarray(random_resized_crop(image, 16, seed)) for seed in (1, 1, 2))
    assert np.array_equal(one, again) and not np.array_equal(one, other)


def cropped_task(images: Images) -> TrainingTask:
    labels = LabelSpace.from_templates(("a", "b"), ("{}",))
    normalise = Pixels(16, torch.zeros(3, 1, 1), torch.ones(3, 1, 1))
    task = Task("toy", labels, images, images)
    return TrainingTask(task, normalise, 4, torch.Generator().manual_seed(7), cropped=True)


def test_training_crops_come_from_the_whole_image(tmp_path: Path) -> None:
    """A wide photograph: the crop reaches beyond the square that evaluation sees."""
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, :18] = wide[:, 42:] = 255  # black where evaluation looks
    path = _saved(Image.fromarray(wide), tmp_path / "wide.png")
    pixels = torch.from_numpy(np.stack([decode(path, 16)] * 6))
    images = Images(pixels, torch.zeros(6).long(), original=lambda i: open_original(path))
    assert pixels[..., 2:14].max() == 0
    task = cropped_task(images)
    first = [batch.images for batch in task.epoch()]
    assert all(x.max() > 0.5 for x in first)
    assert all(x[..., 2:14].max() == 0 for x in (b.images for b in task.epoch(plain=True)))
    again = [batch.images for batch in cropped_task(images).epoch()]
    assert all(torch.equal(x, y) for x, y in zip(first, again, strict=True))
