"""The drawn splits of MTIL: the shipped index files are what the rule draws, and nothing else."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mtil_fixtures import make_mtil
from torch.utils.data import random_split

from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.mtil import drawn
from cl_bench.datasets.mtil.drawn import by_rule, frozen, held_out
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.mtil.readers import WHOLE, read

DRAWN = ("Caltech101", "EuroSAT", "SUN397")


def test_three_data_sets_are_drawn() -> None:
    assert tuple(frozen()) == tuple(WHOLE) == DRAWN
    for name, known in facts()["datasets"].items():
        assert ("random_split" in known["split"]) == (name in DRAWN)


@pytest.mark.parametrize("name", DRAWN)
def test_the_frozen_split_is_what_the_rule_draws(name: str) -> None:
    known = facts()["datasets"][name]
    train, test = known["train"], known["test"]
    generator = torch.Generator().manual_seed(42)
    parts = random_split(torch.utils.data.TensorDataset(torch.arange(train + test)), [train, test],
                         generator=generator)  # fmt: skip
    shipped = held_out(name, train + test)
    np.testing.assert_array_equal(shipped, sorted(parts[1].indices))
    np.testing.assert_array_equal(shipped, by_rule(train + test))
    np.testing.assert_array_equal(
        np.setdiff1d(np.arange(train + test), shipped), sorted(parts[0].indices)
    )
    assert shipped.dtype == np.int64
    assert np.load(drawn.SPLITS / f"{name}.npy").dtype == np.uint32


def test_the_full_size_reads_the_file_and_another_size_the_rule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = held_out("EuroSAT", 27_000)
    monkeypatch.setattr(drawn, "by_rule", lambda images: np.array([images]))
    np.testing.assert_array_equal(held_out("EuroSAT", 27_000), full)
    np.testing.assert_array_equal(held_out("EuroSAT", 26_999), [26_999])


@pytest.mark.parametrize("change", ["flip", "cut", "gone"])
def test_a_changed_index_file_is_refused(
    change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(drawn.SPLITS, tmp_path, dirs_exist_ok=True)
    monkeypatch.setattr(drawn, "SPLITS", tmp_path)
    held_out("Caltech101", 8_677)
    file = tmp_path / "Caltech101.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    match change:
        case "flip":
            file.write_bytes(content)
        case "cut":
            file.write_bytes(content[:-4])
        case _:
            file.unlink()
    with pytest.raises(UserError, match=r"Caltech101\.npy is damaged: its SHA-256 is not f3c72da8"):
        held_out("Caltech101", 8_677)


@pytest.mark.parametrize(("images", "train"), [(10, 8), (9, 7), (101, 80), (4, 3)])
def test_the_rule_keeps_four_fifths_for_training(images: int, train: int) -> None:
    test = by_rule(images)
    assert len(test) == images - train
    assert len(set(test.tolist())) == len(test) and set(test.tolist()) < set(range(images))


@pytest.mark.parametrize("name", DRAWN)
def test_train_and_test_share_no_image_and_leave_none_out(name: str, tmp_path: Path) -> None:
    make_mtil(tmp_path, train_per_class=4, test_per_class=1, classes=4)
    train, test = read(name, tmp_path, "train"), read(name, tmp_path, "test")
    assert isinstance(train.images, tuple) and isinstance(test.images, tuple)
    assert (len(train.images), len(test.images)) == (16, 4)
    files = [*train.images, *test.images]
    assert len(set(files)) == 20
    places = [sorted(files).index(image) for image in test.images]
    assert places == sorted(places), "in the order of the files"


def test_sun397_is_split_by_path_in_whatever_order_the_file_system_lists_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_mtil(tmp_path, train_per_class=4, classes=3)
    before = read("SUN397", tmp_path, "test")
    listed = Path.rglob
    monkeypatch.setattr(Path, "rglob", lambda self, pattern: [*listed(self, pattern)][::-1])
    after = read("SUN397", tmp_path, "test")
    assert before.images == after.images
    np.testing.assert_array_equal(before.targets, after.targets)
