"""``cl-bench data check``: everything that is wrong with a suite, at once and before a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import cl_bench
from mtil_fixtures import make_mtil
from own_suite import write_classes, write_suite
from rich.console import Console

from cl_bench.benchmark.errors import UserError
from cl_bench.cli import console
from cl_bench.datasets.checks import suite_check
from cl_bench.datasets.checks.suite_check import check_suite
from cl_bench.datasets.progress import silent

FOOD = 'name = "food"\ntrain = "food/train"\ntest = "food/test"'
BAD = 'name = "bad"\nimages = "nowhere"'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A task of three classes, one of them with few images; two names are nearly the same."""
    write_classes(tmp_path / "food" / "train", {"pizza": 6, "pizzas": 2, "soup": 3})
    write_classes(tmp_path / "food" / "test", {"pizza": 1, "pizzas": 1, "soup": 1}, seed=50)
    return tmp_path


def test_classes_and_their_sizes_are_counted(folder: Path) -> None:
    found = check_suite(str(write_suite(folder, FOOD)), None, silent)
    (task,) = found.tasks
    assert task.per_class == {"pizza": 6, "pizzas": 2, "soup": 3}
    assert (task.spec.train_size, task.spec.test_size) == (11, 3)
    assert found.problems == [] and found.remarks == []
    assert found.notes == ["task food: near-duplicate class names: 'pizza', 'pizzas'"]


def test_what_stops_a_run_is_listed_whole(folder: Path) -> None:
    """One wrong task hides no other, one broken image no other."""
    train = folder / "food" / "train"
    (train / "pizza" / "0.png").write_bytes(b"")
    (train / "soup" / "1.png").write_text("<html>not found</html>")
    other = BAD.replace("bad", "worse").replace("nowhere", "food/train/pizza")
    found = check_suite(str(write_suite(folder, FOOD, BAD, other)), None, silent)
    assert len(found.problems) == 4
    expected = (
        "task bad: the image folder",
        "task worse: ",
        "pizza/0.png cannot be read",
        "soup/1.png cannot",
    )
    for problem, words in zip(found.problems, expected, strict=True):
        assert words in problem


def test_a_file_that_cannot_be_hashed_is_a_problem(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise UserError("0.png cannot be read: Input/output error")

    monkeypatch.setattr(suite_check, "digests_of", fail)
    found = check_suite(str(write_suite(folder, FOOD)), None, silent)
    assert found.problems == ["0.png cannot be read: Input/output error"] and len(found.tasks) == 1


def test_remarks_are_those_of_a_run(folder: Path) -> None:
    shutil.copy(folder / "food/train/pizza/0.png", folder / "food/test/soup/9.png")
    (folder / "food/train/pizza/notes.txt").write_text("-")
    found = check_suite(str(write_suite(folder, FOOD)), None, silent)
    assert [remark.partition(":")[0] for remark in found.remarks] == [
        "task food",
        "1 image has the same bytes in the test set of food and the training set of food, for example "
        "food/test/soup/9.png and food/train/pizza/0.png",
    ]


def test_names_that_several_tasks_have_are_noted(folder: Path) -> None:
    file = write_suite(folder, FOOD, FOOD.replace('"food"', '"again"'))
    assert any(
        note.startswith(
            "under --protocol x-tail or seen: classes of one name in several tasks, which count as one"
        )
        for note in check_suite(str(file), None, silent).notes
    )


def test_tasks_that_do_not_go_together_stop_a_run(folder: Path) -> None:
    found = check_suite(str(write_suite(folder, FOOD, FOOD)), None, silent)
    assert any(
        "two tasks have the names 'food' and 'food'" in problem for problem in found.problems
    )


def test_mini_has_no_fault() -> None:
    mini = check_suite("mini", None, silent)
    assert len(mini.tasks) == 11 and not mini.problems and not mini.remarks


def test_the_published_data_sets_are_checked_too(tmp_path: Path) -> None:
    make_mtil(tmp_path)
    mtil = check_suite("mtil", tmp_path, silent)
    assert len(mtil.problems) == 11 and "Aircraft has 6 training images where" in mtil.problems[0]
    with pytest.raises(UserError, match="needs 11 data sets on disk"):
        check_suite("mtil", None, silent)


SPOILT: dict[str, tuple[Callable[[Path], object], int]] = {
    "nothing": (lambda train: None, 0),
    "a remark": (lambda train: (train / "notes.txt").write_text("-"), 0),
    "a broken image": (lambda train: (train / "soup" / "0.png").write_bytes(b"-"), 1),
    "an empty class": (lambda train: (train / "empty").mkdir(), 1),
}


@pytest.mark.parametrize("case", SPOILT)
def test_the_exit_code_says_whether_a_run_would_stop(
    case: str, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil, code = SPOILT[case]
    spoil(folder / "food" / "train")
    assert cl_bench(monkeypatch, "data", "check", str(write_suite(folder, FOOD))) == code
    assert ("stops a run\n  " in capsys.readouterr().out) == bool(code)


def test_the_table_is_read_at_80_columns(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = "a [bold]class[-bold] of a very long name indeed"
    write_classes(folder / "food" / "train", {long: 4}, 70)
    write_classes(folder / "food" / "test", {long: 1}, 90)
    monkeypatch.setattr(console, "console", Console(width=80))
    assert cl_bench(monkeypatch, "data", "check", str(write_suite(folder, FOOD))) == 0
    header, *rows = capsys.readouterr().out.partition("task ")[2].splitlines()
    assert header.split() == [
        "train",
        "test",
        "classes",
        "largest",
        "class",
        "smallest",
        "class",
        "ratio",
    ]
    assert rows[0].split() == ["food", "15", "4", "4", "6", "pizza", "2", "pizzas", "3.0"]
    assert max(map(len, (header, *rows[:3]))) <= 80
