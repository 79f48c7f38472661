"""Suites of one's own: image folders, splits, decoding, and what goes wrong with them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.images.decode import decode
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.datasets.streams import build_stream
from cl_bench.datasets.task_spec import FolderSource
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve

COLOURS = {"red_box": (200, 20, 20), "green_box": (20, 200, 20)}
SUITE = """
name = "boxes"
about = "coloured boxes"
backbone = "tiny-clip"
epochs = 1
[[tasks]]
name = "split"
train = "split/train"
test = "split/test"
[[tasks]]
name = "whole"
images = "whole"
test_share = 0.25
exclude = ["junk"]
templates = ["a drawing of a {}."]
classnames = { red_box = "crimson box" }
"""


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    """Two tasks of two classes: one split already, one to be split; RGB, grey, CMYK and palette."""
    rng = np.random.default_rng(0)
    modes = ["RGB", "L", "CMYK", "P"]
    for folder, count in (("split/train", 8), ("split/test", 4), ("whole", 8)):
        for name, colour in COLOURS.items():
            (tmp_path / folder / name).mkdir(parents=True)
            for i in range(count):
                noise = rng.integers(0, 40, (50, 40, 3))
                pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                mode = modes[i % 4]
                suffix = {"CMYK": "jpg", "P": "gif"}.get(mode, "png")
                suffix = "png" if suffix == "gif" else suffix
                Image.fromarray(pixels).convert(mode).save(
                    tmp_path / folder / name / f"{i}.{suffix}"
                )
    (tmp_path / "whole" / "junk").mkdir()
    (tmp_path / "whole" / "red_box" / "notes.txt").write_text("not an image")
    file = tmp_path / "boxes.toml"
    file.write_text(SUITE)
    return file


def test_reads_both_kinds_of_folders(suite_file: Path) -> None:
    suite = read_suite(suite_file)
    split, whole = suite.tasks
    assert split.classnames == ("green box", "red box")
    assert (split.train_size, split.test_size) == (16, 8)
    assert whole.classnames == ("green box", "crimson box")
    assert (whole.train_size, whole.test_size) == (12, 4)
    assert suite.orders == {"I": ("split", "whole"), "II": ("whole", "split")}
    assert isinstance(whole.source, FolderSource)
    assert not set(whole.source.train) & set(whole.source.test)
    stream = build_stream("boxes", suite.tasks, 32)
    assert stream.tasks[0].train.pixels.shape == (16, 3, 32, 32)
    assert stream.tasks[1].labels.prompts[1] == ("a drawing of a crimson box.",)


def test_a_run_learns_them(suite_file: Path, tmp_path: Path) -> None:
    plan = resolve(Choices(suite=str(suite_file), method="finetune", order="II"))
    assert plan.config.suite.name == "boxes" and plan.config.tasks == ("whole", "split")
    assert plan.config.budget.steps == {"whole": 1, "split": 1}


def test_digest_follows_the_files_not_their_place(suite_file: Path, tmp_path: Path) -> None:
    first = read_suite(suite_file).identify()
    moved = tmp_path / "elsewhere"
    moved.mkdir()
    for name in ("split", "whole"):
        (tmp_path / name).rename(moved / name)
    suite_file.rename(moved / "boxes.toml")
    assert read_suite(moved / "boxes.toml").identify() == first
    Image.new("RGB", (20, 20)).save(moved / "whole" / "red_box" / "new.png")
    assert read_suite(moved / "boxes.toml").identify().digest != first.digest


def test_the_documented_results_are_of_the_suite_as_it_is() -> None:
    docs, digest = Path(__file__).parents[1] / "docs", find_suite("mini").identify().digest
    documents = sorted(docs.glob("mini-*.md"))
    assert len(documents) == 4
    for document in documents:
        assert set(re.findall(r"Suite digest (\w+)", document.read_text())) == {digest}, document


def test_a_field_at_its_default_parts_no_results() -> None:
    task = find_suite("mini").tasks[0]
    assert "other_templates" not in task.identity()
    worded = task.model_copy(update={"other_templates": {"zscl": ("a {}.",)}})
    assert worded.identity()["other_templates"] == {"zscl": ["a {}."]}


def test_pixels_are_clips_own_preprocessing(suite_file: Path) -> None:
    import open_clip

    path = suite_file.parent / "split" / "train" / "red_box" / "0.png"
    reference = open_clip.image_transform(32, is_train=False)(Image.open(path))
    mean = torch.tensor(open_clip.OPENAI_DATASET_MEAN).view(3, 1, 1)
    std = torch.tensor(open_clip.OPENAI_DATASET_STD).view(3, 1, 1)
    ours = (torch.from_numpy(decode(path, 32)).float() / 255 - mean) / std
    torch.testing.assert_close(ours, reference, atol=1e-6, rtol=0)


def edit(old: str, new: str) -> Callable[[Path], object]:
    return lambda file: file.write_text(file.read_text().replace(old, new))


WRONG = {
    "no such folder": (edit('images = "whole"', 'images = "hole"'), r"hole does not exist"),
    "unknown key": (edit("epochs = 1", "epoch = 1"), r"epoch: Extra inputs"),
    "wrong type": (edit("epochs = 1", 'epochs = "many"'), r"epochs: .*'many'"),
    "no hole": (edit("drawing of a {}", "drawing"), r"needs exactly one \{\}"),
    "both ways": (edit('test = "split/test"', 'images = "whole"'), r"give `train` and `test`, or one"),
    "class name of no folder": (edit("{ red_box", "{ blue_box"), r"no class: blue_box"),
    "damaged TOML": (edit("[[tasks]]", "[[tasks"), r"cannot be read"),
    "empty class": (
        lambda file: (file.parent / "split" / "train" / "zebra").mkdir(),
        r"zebra holds no image",
    ),
    "class only in training": (
        lambda file: (file.parent / "split" / "test" / "red_box").rename(file.parent / "gone"),
        r"holds 1 class folders",
    ),
    "order of unknown tasks": (
        edit("[[tasks]]\nname = \"split\"", "[orders]\nI = [\"x\"]\n[[tasks]]\nname = \"split\""),
        r"order I names x: no such task",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named(case: str, suite_file: Path) -> None:
    spoil, message = WRONG[case]
    spoil(suite_file)
    with pytest.raises(UserError, match=message):
        read_suite(suite_file)


def test_unreadable_image_is_named(suite_file: Path) -> None:
    broken = suite_file.parent / "whole" / "red_box" / "0.png"
    broken.write_bytes(broken.read_bytes()[:50])
    suite = read_suite(suite_file)
    with pytest.raises(UserError, match=r"red_box/0\.png cannot be read"):
        build_stream("boxes", suite.tasks, 32)
