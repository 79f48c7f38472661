"""The same image in training and in test is part of the run's record."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import cl_bench
from mtil_pictures import Maker, classnames
from mtil_writers import WRITERS

from cl_bench.benchmark.images import Images
from cl_bench.benchmark.record import read_run
from cl_bench.datasets.checks.duplicates import in_both
from cl_bench.datasets.images.content import digests_of
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.mtil.readers import read_both
from cl_bench.datasets.mtil.suites import partial_task
from cl_bench.datasets.streams import Shots, build_stream


def images(*contents: str) -> Images:
    count = len(contents)
    return Images(
        torch.zeros(count, 1, 1, 1),
        torch.zeros(count).long(),
        digests=contents,
        called=lambda i: f"{i}.jpg",
    )


def test_what_both_have_is_counted_and_the_first_named() -> None:
    assert in_both("t", images("a", "b", "c"), images("x", "y")) is None
    assert in_both("t", images("a", "b"), images("x", "b", "y")) == (
        "t: 1 of 3 test images is byte for byte among its 2 training images (the first: 1.jpg, in "
        "training 1.jpg)"
    )
    assert "t: 3 of 4 test images are" in str(
        in_both("t", images("a", "b"), images("b", "a", "x", "a"))
    )
    assert in_both("t", images("a", "b", "c").subset(torch.tensor([2])), images("a")) is None


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Look-alikes of three data sets with three training and two test images of each class."""
    for name in ("CIFAR100", "DTD", "MNIST"):
        maker = Maker(classnames(name, 3), 3, 2, np.random.default_rng(7))
        WRITERS[name](tmp_path / "data", maker)
    return tmp_path / "data"


def test_a_photograph_under_two_names_is_said_and_recorded(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    train, test = read_both("DTD", root)
    shutil.copy(train.images[4], test.images[1])  # type: ignore[arg-type]
    shutil.copy(train.images[0], test.images[3])  # type: ignore[arg-type]
    command = [
        "run", "--suite", "mtil", "--data-root", str(root), "--partial-data", "--order", "DTD,MNIST",
        "--method", "zero-shot", "--backbone", "tiny-clip", "--device", "cpu", "--preset", "fair",
        "--out", str(tmp_path / "runs"),
    ]  # fmt: skip
    assert cl_bench(monkeypatch, *command) == 0
    (path,) = (tmp_path / "runs").glob("*/zero-shot/*")
    words = (
        f"DTD: 2 of 6 test images are byte for byte among its 9 training images (the first: "
        f"{test.images[1]}, in training {train.images[4]})"
    )
    assert read_run(path).manifest.remarks == (words,)
    assert f"note   {words}\n" in capsys.readouterr().out


def test_native_pixels_are_compared_and_shots_count_what_they_use(root: Path) -> None:
    file = root / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    trained = (root / "MNIST" / "raw" / "train-images-idx3-ubyte").read_bytes()
    content = bytearray(file.read_bytes())
    content[16 : 16 + 784] = trained[16 + 784 : 16 + 2 * 784]
    file.write_bytes(content)
    spec = partial_task("MNIST", root)
    words = "MNIST: 1 of 6 test images is byte for byte among its 9 training images (the first: image 1, in training image 2)"  # fmt: skip
    assert build_stream("s", [spec], 32).remarks == (words,)
    few = [build_stream("s", [spec], 32, shots=Shots(1, seed)) for seed in range(8)]
    for stream in few:
        rows = stream.tasks[0].train.rows
        assert rows is not None and bool(stream.remarks) == (1 in rows.tolist())
    assert 0 < sum(bool(stream.remarks) for stream in few) < 8


def test_whole_and_clean_data_sets_have_no_remark(root: Path) -> None:
    specs = [partial_task(name, root) for name in ("CIFAR100", "DTD", "MNIST")]
    stream = build_stream("s", specs, 32)
    assert stream.remarks == ()
    assert all(len(task.train.digests) == len(task.train) for task in stream.tasks)


def test_native_pixels_have_digests_of_their_bytes(tmp_path: Path) -> None:
    grey = np.arange(50, dtype=np.uint8).reshape(2, 5, 5)
    listed = Listing(grey, np.array([0, 1]), ("a", "b"))
    images = Store().images("toy", listed, 16)
    (tmp_path / "raw").write_bytes(grey[1].tobytes())
    assert (images.called(0), images.called(1)) == ("image 1", "image 2")
    first, second = images.digests
    assert second == digests_of([tmp_path / "raw"])[0] != first
