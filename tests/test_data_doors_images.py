"""One photograph under two names is found by its bytes, and part of the run's record."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from command_line import cl_bench
from own_suite import write_classes, write_suite

from cl_bench.benchmark.record import read_run
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.find import find_runs

SPLIT = 'name = "{0}"\ntrain = "{0}/train"\ntest = "{0}/test"'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two tasks of different images."""
    for i, (task, split) in enumerate((t, s) for t in ("x", "y") for s in ("train", "test")):
        write_classes(tmp_path / task / split, {"cat": 3, "dog": 3}, seed=100 * i)
    return tmp_path


COPIES = {
    "train and test": (
        "x/train/cat/0.png", "x/test/cat/9.png",
        "1 image has the same bytes in the test set of x and the training set of x, for example "
        "x/test/cat/9.png and x/train/cat/0.png",
    ),
    "two classes": (
        "x/train/cat/0.png", "x/train/dog/9.png",
        "1 image has the same bytes in two classes of the training set of x, for example "
        "x/train/cat/0.png and x/train/dog/9.png",
    ),
    "one class": (
        "x/train/cat/0.png", "x/train/cat/9.png",
        "1 image has the same bytes in one class of the training set of x, for example "
        "x/train/cat/0.png and x/train/cat/9.png",
    ),
    "another task's test set": (
        "x/train/cat/0.png", "y/test/dog/9.png",
        "1 image has the same bytes in the training set of x and the test set of y, for example "
        "x/train/cat/0.png and y/test/dog/9.png",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", COPIES)
@pytest.mark.parametrize(
    "copy", [shutil.copy, lambda a, b: b.hardlink_to(a)], ids=["copy", "hard link"]
)
def test_the_same_bytes_are_remarked(case: str, copy: object, folder: Path) -> None:
    old, new, words = COPIES[case]
    copy(folder / old, folder / new)  # type: ignore[operator]
    file = write_suite(folder, SPLIT.format("x"), SPLIT.format("y"))
    assert read_suite(file).remarks == (words,)


def test_remarks_are_said_printed_and_recorded_and_part_no_results(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On the screen, in the manifest, under the table; but they are no part of a run's digest."""
    old, new, words = COPIES["train and test"]
    file = write_suite(folder, SPLIT.format("x"), SPLIT.format("y"))
    shutil.copy(folder / old, folder / new)
    choices = Choices(suite=str(file), method="zero-shot", device="cpu")
    before = resolve(choices).config.digest()
    (folder / "x" / "train" / "cat" / "notes.txt").write_text("not an image")
    assert resolve(choices).config.digest() == before, "a stray file changes no result"
    options = ("--suite", str(file), "--method", "zero-shot", "--device", "cpu")
    assert cl_bench(monkeypatch, "run", *options, "--out", str(folder / "runs")) == 0
    assert words in capsys.readouterr().out
    (run,) = (read_run(path) for path in find_runs([folder / "runs"]))
    assert words in run.remarks and any("notes.txt" in remark for remark in run.remarks)
    write_report([folder / "runs"], folder / "report")
    assert words in (folder / "report" / "table.md").read_text()
    assert words in (folder / "report" / "report.html").read_text()


def test_copies_are_counted_per_pair_of_places(folder: Path) -> None:
    for i in range(3):
        shutil.copy(folder / f"x/train/cat/{i}.png", folder / f"x/test/cat/copy{i}.png")
    shutil.copy(folder / "x/train/cat/0.png", folder / "x/test/cat/again.png")
    remarks = read_suite(write_suite(folder, SPLIT.format("x"))).remarks
    assert [remark.partition(", for")[0] for remark in remarks] == [
        "1 image has the same bytes in one class of the test set of x",
        "3 images have the same bytes in the test set of x and the training set of x",
    ]


def test_different_images_are_not_mentioned(folder: Path) -> None:
    suite = read_suite(write_suite(folder, SPLIT.format("x"), SPLIT.format("y")))
    assert suite.remarks == ()


def test_the_words_do_not_depend_on_where_the_suite_lies(folder: Path, tmp_path: Path) -> None:
    shutil.copy(folder / "x/train/cat/0.png", folder / "x/test/cat/9.png")
    (folder / "x" / "train" / "notes.txt").write_text("-")
    write_suite(folder, SPLIT.format("x"))
    before = read_suite(folder / "suite.toml")
    moved = shutil.copytree(folder, folder.parent / "moved")
    after = read_suite(moved / "suite.toml")
    assert after.remarks == before.remarks and len(after.remarks) == 2
    assert after.identify() == before.identify()
