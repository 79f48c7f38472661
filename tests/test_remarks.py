"""What a reader of the results must know is said by every door, loud or quiet, before and after."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from command_line import cl_bench as command
from own_suite import HEAD, write_classes, write_suite

import cl_bench

REMARK = "order short leaves out a"
CAVEAT = "image files that cannot be read are left out; the run's manifest names them"
SMALL = ("--method", "zero-shot", "--device", "cpu", "--skip-broken")


@pytest.fixture
def suite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A suite with a remark, for runs with a caveat."""
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "images", {"cat": 3, "dog": 3})
    head = f'{HEAD}[orders]\nI = ["a", "b"]\nshort = ["b"]\n'
    tasks = ('name = "a"\nimages = "images"', 'name = "b"\nimages = "images"')
    return write_suite(tmp_path, *tasks, head=head)


def test_a_quiet_run_says_its_path_and_what_may_be_wrong(
    suite: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("run", "--suite", str(suite), *SMALL, "--orders", "I,short")
    assert command(monkeypatch, *line, "--quiet") == 0
    said = capsys.readouterr()
    paths = [Path(words) for words in said.out.splitlines()]
    assert [path.parts[1] for path in paths] == ["own-I", "own-short-1tasks"]
    assert all((path / "manifest.json").is_file() for path in paths)
    lines = said.err.splitlines()
    assert all(words.startswith("note   ") for words in lines) and len(lines) == len(set(lines)) * 2
    assert f"note   {REMARK}" in lines and f"note   {CAVEAT}" in lines
    assert command(monkeypatch, *line, "-q") == 0, "the runs are finished: they are read"
    again = capsys.readouterr()
    assert again.out == said.out and {*again.err.splitlines()} == {*lines}
    assert command(monkeypatch, "resume", str(paths[0]), "--quiet") == 0
    resumed = capsys.readouterr()
    assert resumed.out == f"{paths[0]}\n" and {*resumed.err.splitlines()} == {*lines}
    assert command(monkeypatch, *line, "--quiet", "--seed", "1", "--dry-run") == 0
    assert capsys.readouterr().out == ""


def test_a_loud_run_says_the_same_and_more(
    suite: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("run", "--suite", str(suite), *SMALL)
    assert command(monkeypatch, *line) == 0
    shown = capsys.readouterr()
    assert shown.out.count(f"note   {REMARK}\n") == 1 and shown.out.count(f"note   {CAVEAT}\n") == 1
    assert "zero-shot" in shown.out and "picture" in shown.out and shown.err == ""


def test_a_mistake_of_a_quiet_run_is_still_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(monkeypatch, "run", "--quiet", "--method", "lorra") == 2
    said = capsys.readouterr()
    assert said.out == "" and "did you mean 'lora'" in said.err
    assert command(monkeypatch, "list", "suites") == 0, "quiet ends with its command"
    assert "mtil" in capsys.readouterr().out


def test_python_is_warned_at_the_callers_line_and_can_ask_later(suite: Path) -> None:
    asked = {"suite": str(suite), "method": "zero-shot", "device": "cpu", "skip_broken": True}
    for again in (False, True):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            run = cl_bench.run(**asked, listen=lambda event: None)
        words = [str(warning.message) for warning in caught]
        assert REMARK in words and CAVEAT in words and len(words) == len(set(words)), again
        assert {warning.category for warning in caught} == {cl_bench.RunWarning}
        assert {warning.filename for warning in caught} == {__file__}
        assert {*run.remarks} == {*words} and REMARK in run.remarks
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        cl_bench.resume(run.path, listen=lambda event: None)
    assert {str(warning.message) for warning in caught} == {*run.remarks}
    assert issubclass(cl_bench.RunWarning, UserWarning)
    (loaded,) = cl_bench.load("runs")
    assert loaded.remarks == run.remarks, "reading warns of nothing; the words are there"
