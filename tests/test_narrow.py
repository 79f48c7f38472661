"""Tables on a terminal of 80 columns: no line is longer, and no name is broken or cut."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import cl_bench
from own_suite import write_classes, write_suite
from written_run import write_run

from cl_bench.cli.console import console
from cl_bench.datasets.catalog import BUILT_IN as SUITES
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.pretrained.architectures import runnable_models
from cl_bench.experiment.settings import find_settings
from cl_bench.methods.catalog import BUILT_IN
from cl_bench.reports.literature.published import MEAN, means, published

ROOT = Path(__file__).parents[1]
WIDTH = 80
TASKS = tuple(task.name for task in find_suite("mini").tasks)
SHORT = tuple(name.removeprefix("mini-") for name in TASKS)
KNOWN = sorted({(p.order, p.setting) for p in published() if p.dataset == MEAN})


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "width", WIDTH)


def lines_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *line: str, code: int = 0
) -> list[str]:
    """What a command prints; none of it is too wide or cut."""
    capsys.readouterr()
    assert cl_bench(monkeypatch, *line) == code
    lines = capsys.readouterr().out.splitlines()
    for shown in lines:
        # a path alone on its line may be longer: it is copied as a whole
        assert len(shown) <= WIDTH or len(shown.split()) == 1, shown
        assert "…" not in shown, shown
    return lines


def whole(lines: list[str], names: tuple[str, ...] | list[str]) -> bool:
    """Whether every name stands on one line, as words of their own."""
    words = {word.strip(",;:.") for line in lines for word in line.split()}
    return all(
        name in words or (" " in name and any(name in line for line in lines)) for name in names
    )


def test_the_methods(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    lines = lines_of(monkeypatch, capsys, "list", "methods")
    assert [line.split()[0] for line in lines if line[0] != " "] == ["name", *BUILT_IN]
    assert whole(lines, ["149.6", "44.3", "2303.06628", "auto-encoders"])


@pytest.mark.parametrize("suite", SUITES)
def test_the_lists_of_a_suite(
    suite: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = [task.name for task in find_suite(suite).tasks]
    assert whole(lines_of(monkeypatch, capsys, "list", "datasets", "--suite", suite), tasks)
    orders = lines_of(monkeypatch, capsys, "list", "orders", "--suite", suite)
    assert whole(orders, [*tasks, *find_suite(suite).orders])


def test_suites_and_backbones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert whole(lines_of(monkeypatch, capsys, "list", "suites"), list(SUITES))
    assert whole(lines_of(monkeypatch, capsys, "list", "backbones"), list(runnable_models()))


@pytest.mark.parametrize("method", BUILT_IN)
def test_the_settings(
    method: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = lines_of(monkeypatch, capsys, "list", "settings", method)
    assert whole(lines, [setting.name for setting in find_settings(method, "mini")])


@pytest.mark.parametrize(("order", "setting"), KNOWN)
def test_what_is_published(
    order: str, setting: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("published", "--order", order, "--setting", setting)
    lines = lines_of(monkeypatch, capsys, *line)
    rows = list(means(order, setting))
    assert whole(lines, [p.method for p, _ in rows])
    text = " ".join(" ".join(lines).split())
    assert all(" ".join(p.source.split()) in text for p, _ in rows), "every source is there, whole"


def test_runs_side_by_side_and_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    a, b = write_run(Path("a"), "lora", 0, TASKS), write_run(Path("b"), "wc", 0, TASKS)
    assert whole(lines_of(monkeypatch, capsys, "compare", str(a), str(b)), SHORT)
    assert whole(lines_of(monkeypatch, capsys, "show", str(a)), SHORT)
    assert whole(lines_of(monkeypatch, capsys, "why", str(a), str(b)), ["method", "lora", "wc"])


@pytest.mark.parametrize("learned", [0, 1, 4])
def test_names_stand_whole_above_a_matrix(
    learned: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """An unfinished run has no rows that say them."""
    tasks = ("a-data-set-of-trees", "b", "another-data-set-of-birds", "c-and-another-one")
    run = write_run(tmp_path, "lora", 0, tasks, learned)
    lines = lines_of(monkeypatch, capsys, "show", str(run))
    above = lines[: next(i for i, line in enumerate(lines) if line.startswith("after"))]
    assert whole(above, tasks)
    ends = {word: line.index(word) + len(word) for line in above for word in line.split()}
    numbers = lines[len(above)]
    for number, task in enumerate(tasks, 1):
        assert numbers[: ends[task]].split()[-1] == str(number), "it ends above its column"


def test_numbers_are_whole_where_names_are_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tasks = tuple(f"{i}-is-a-data-set-with-a-name-that-is-much-too-long" for i in "abc")
    a, b = write_run(tmp_path / "a", "lora", 0, tasks), write_run(tmp_path / "b", "wc", 0, tasks)
    lines = lines_of(monkeypatch, capsys, "compare", str(a), str(b))
    assert sum(line.startswith("data set") for line in lines) == 3, "a table for each metric"
    assert whole(lines, ["Transfer", "Average", "Last", *tasks])


def test_data_and_installation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CL_BENCH_DATA", str(tmp_path))
    lines = lines_of(monkeypatch, capsys, "data", "status", code=1)
    assert whole(lines, list(facts()["datasets"]))
    assert any(line.split() and line.split()[0] in ("ok", "warn") for line in
               lines_of(monkeypatch, capsys, "doctor"))  # fmt: skip
    write_classes(tmp_path / "images", {"cat": 3, "a class with a name of many words in it": 4})
    task = "a-task-with-a-long-name"
    file = write_suite(tmp_path, f'name = "{task}"\nimages = "images"')
    monkeypatch.chdir(tmp_path)
    assert whole(lines_of(monkeypatch, capsys, "data", "check", file.name), [task])


def test_a_pipe_gets_a_row_a_line_and_columns_are_obeyed() -> None:
    def printed(**more: str) -> list[str]:
        env = {"PYTHONPATH": str(ROOT / "src"), "PATH": os.environ["PATH"], **more}
        words = [sys.executable, "-P", "-m", "cl_bench", "list", "methods"]
        run = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
        return run.stdout.splitlines()

    assert len(printed()) == 1 + len(BUILT_IN)
    assert max(map(len, printed(COLUMNS="80"))) <= 80
    assert len(printed(COLUMNS="wide")) == 1 + len(BUILT_IN), "what is no number says nothing"
