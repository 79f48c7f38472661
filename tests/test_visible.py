"""What counts as data in a folder, and which images a contact sheet shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.images import Images
from cl_bench.datasets.images.contact_sheet import COLUMNS, ROWS, save_contact_sheet, spread
from cl_bench.datasets.images.visible import (
    LEFT_BY_SYSTEMS,
    files_below,
    has_image_name,
    is_visible,
    visible,
)


@pytest.mark.parametrize(
    "name", [".DS_Store", "._a.jpg", ".git", "Thumbs.db", "@eaDir", "__MACOSX", "desktop.ini"]
)
def test_what_systems_leave_behind_is_no_data(name: str) -> None:
    assert not is_visible(name) and not is_visible(name.upper())


@pytest.mark.parametrize("name", ["a.jpg", "a", "thumbs", "MACOSX", "lost", "ü.png", "a.db"])
def test_other_names_are_data(name: str) -> None:
    assert is_visible(name)


def test_the_list_of_names_is_in_small_letters() -> None:
    assert all(name == name.lower() for name in LEFT_BY_SYSTEMS), "they are compared so"


@pytest.mark.parametrize("ending", ["jpg", "JPG", "jpeg", "Png", "tiff", "webp", "pgm"])
def test_endings_of_images_count_in_any_case(ending: str) -> None:
    assert has_image_name(Path(f"a.b.{ending}"))
    assert not has_image_name(Path(ending)) and not has_image_name(Path(f"a.{ending}.txt"))


def test_a_folder_is_listed_in_order_without_what_is_hidden(tmp_path: Path) -> None:
    for name in ("b.png", "a.png", ".hidden.png", "Thumbs.db", "B.png"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    assert [path.name for path in visible(tmp_path)] == ["B.png", "a.png", "b.png", "folder"]


def test_files_below_follow_links_once_and_skip_hidden_folders(tmp_path: Path) -> None:
    data, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    for file in (data / "a" / "1.png", data / ".cache" / "2.png", elsewhere / "3.png"):
        file.parent.mkdir(parents=True)
        file.touch()
    (data / "b").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(data)  # a circle
    found = [path.relative_to(data).as_posix() for path in files_below(data)]
    assert found == ["a/1.png", "b/3.png"]


def test_a_name_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / b"\xff.png".decode("utf-8", "surrogateescape")).touch()
    for listed in (visible, files_below):
        with pytest.raises(UserError, match=r"holds the name '\\udcff\.png', which is no UTF-8"):
            list(listed(tmp_path))


TARGETS = st.lists(st.integers(0, 4), min_size=1, max_size=200).map(np.array)


@given(TARGETS)
def test_a_sheet_shows_up_to_forty_images_each_once(targets: np.ndarray) -> None:
    rows = spread(targets)
    assert len(rows) == len(set(rows.tolist())) == min(COLUMNS * ROWS, len(targets))
    shown = targets[rows]
    assert (np.diff(shown) >= 0).all(), "class by class"


def test_a_sheet_shows_every_class_in_proportion() -> None:
    targets = np.repeat([0, 1, 2, 3], 100)
    counts = np.bincount(targets[spread(targets)])
    assert counts.tolist() == [10, 10, 10, 10]


def test_a_sheet_is_drawn_whatever_its_names_hold(tmp_path: Path) -> None:
    images = Images(torch.zeros(3, 1, 8, 8, dtype=torch.uint8), torch.tensor([0, 1, 0]))
    file = tmp_path / "sheets" / "sheet.png"
    save_contact_sheet("$x_1$ & <b>", ("$\\frac{1}", "a name that is far too long"), images, file)
    with Image.open(file) as drawn:
        assert drawn.format == "PNG" and drawn.width == 1500
