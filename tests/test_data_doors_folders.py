"""Folders: what is hidden is no data, what is left out is said, what cannot be used is named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from own_suite import write_classes, write_image, write_suite

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.extra.references import find_sources
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.datasets.suite import Suite
from cl_bench.experiment.choices import Choices

HIDDEN = (
    ".ipynb_checkpoints/0-checkpoint.png", "._cat", "cat/._0.png", "cat/.hidden.png", ".DS_Store",
    "cat/.cache/0.png", "cat/Thumbs.db", "desktop.ini", "__MACOSX/cat/._0.png", "@eaDir/cat/0.png",
    "cat/@eaDir/0.png/thumb.jpg", "lost+found/x",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two classes of four different images."""
    return write_classes(tmp_path / "images", {"cat": 4, "dog": 4})


def read(folder: Path, more: str = "") -> Suite:
    return read_suite(write_suite(folder.parent, f'name = "t"\nimages = "images"\n{more}'))


@pytest.mark.parametrize("path", HIDDEN)
def test_hidden_files_and_folders_are_no_data(path: str, folder: Path) -> None:
    before = read(folder)
    write_image(folder / path, 99)
    after = read(folder)
    assert after == before and after.identify() == before.identify()
    assert after.tasks[0].classnames == ("cat", "dog") and not after.remarks


@pytest.mark.parametrize("path", HIDDEN)
def test_nor_are_they_among_reference_images(path: str, folder: Path) -> None:
    write_image(folder / "deep" / "er" / path, 99)
    files = Choices(reference_images=folder)
    (source,) = find_sources(("reference images",), files, "own", "tiny-clip", 2).values()
    assert source.about.startswith("8 images of 8 in a folder")


def test_reference_images_are_pinned_by_their_bytes(folder: Path) -> None:
    def pin() -> str:
        files = Choices(reference_images=folder)
        return find_sources(("reference images",), files, "own", "x", 2)["reference images"].about

    before, image = pin(), folder / "cat" / "0.png"
    assert pin() == before
    content = bytearray(image.read_bytes())
    content[-1] ^= 1
    image.write_bytes(content)
    assert pin() != before


def test_links_to_folders_are_followed_once(folder: Path) -> None:
    (folder / "cat" / "round").symlink_to(folder)
    (folder / "elsewhere").symlink_to(write_classes(folder.parent / "far", {"owl": 2}, seed=50))
    files = Choices(reference_images=folder)
    (source,) = find_sources(("reference images",), files, "own", "tiny-clip", 2).values()
    assert source.about.startswith("10 images of 10")


def text(path: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text("not an image")

    return write


def test_what_is_not_used_is_counted_and_named(folder: Path) -> None:
    for path in ("cat/notes.txt", "cat/boxes.xml", "dog/boxes.xml", "README", "cat/raw/info.txt"):
        text(path)(folder)
    write_image(folder / "stray.png", 80)
    (remark,) = read(folder).remarks
    assert remark == (
        "task t: not used in images/, as no images of a class: 6 (.png: 1, .txt: 1, .xml: 2, no ending: 2), "
        "the first is README"
    )


WRONG: dict[str, tuple[Callable[[Path], object], str]] = {
    "images a level deeper": (lambda f: write_image(f / "cat" / "more" / "9.png", 9), r"more is a folder of images"),
    "a folder called like an image": (lambda f: (f / "cat" / "x.png").mkdir(), r"x.png is a folder of images"),
    "a folder in itself": (lambda f: (f / "self").symlink_to(f), r"self/cat is a folder of images"),
    "a class in itself": (lambda f: (f / "cat" / "up").symlink_to(f), r"up is a folder of images"),
    "an ending of no image": (lambda f: write_image(f / "cat" / "9.jfif", 9), r"9.jfif is an image with an ending"),
    "no ending": (lambda f: write_image(f / "cat" / "photo", 9), r"photo is an image with an ending"),
    "a link to nothing": (lambda f: (f / "cat" / "9.png").symlink_to("gone"), r"9.png is a link to a file that"),
    "a link to another class": (
        lambda f: (f / "cat" / "9.png").symlink_to(f / "dog" / "0.png"),
        r"cat/9.png \(\w+, class 'cat'\) and .*dog/0.png \(\w+, class 'dog'\) are the same file",
    ),
    "a linked class": (lambda f: (f / "hound").symlink_to(f / "dog"), r"are the same file"),
    "a name that is no text": (
        lambda f: shutil.copytree(f / "cat", os.fsdecode(os.fsencode(f) + b"/c\xe9")), r"'c\\udce9', which is no UTF-8",
    ),
    "no image": (lambda f: (f / "cow").mkdir(), r"cow holds no image"),
    "text alone": (text("cow/a.txt"), r"cow holds no image"),
    "a space behind": (lambda f: write_classes(f, {"cow ": 4}, 60), r"'cow ' is empty, begins or ends with a space"),
    "an end of a line": (lambda f: write_classes(f, {"c\now": 4}, 60), r"'c\\now' is empty.*control character"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_used_is_named(case: str, folder: Path) -> None:
    spoil, message = WRONG[case]
    spoil(folder)
    with pytest.raises(UserError, match=message) as error:
        read(folder)
    assert "\n" not in str(error.value)


def test_train_and_test_may_not_be_one_folder(folder: Path) -> None:
    file = write_suite(folder.parent, 'name = "t"\ntrain = "images"\ntest = "images"')
    with pytest.raises(
        UserError, match=r"\(train, class 'cat'\) and .*\(test, class 'cat'\) are the"
    ):
        read_suite(file)


def test_a_class_written_in_two_ways_is_named_in_both(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"caf\u00e9": 2, "dog": 2})
    write_classes(tmp_path / "test", {"cafe\u0301": 2, "dog": 2}, seed=50)
    file = write_suite(tmp_path, 'name = "t"\ntrain = "train"\ntest = "test"')
    with pytest.raises(
        UserError, match=r"classes 'cafe\\u0301', 'caf\\xe9' \(are some written in two"
    ):
        read_suite(file)


def test_a_changed_file_is_a_changed_suite(folder: Path) -> None:
    before, image = read(folder).identify().digest, folder / "cat" / "0.png"
    size = image.stat().st_size
    content = bytearray(image.read_bytes())
    content[-20] ^= 1
    image.write_bytes(content)
    assert image.stat().st_size == size and read(folder).identify().digest != before
    content[-20] ^= 1
    image.write_bytes(content)
    assert read(folder).identify().digest == before
