"""`data ... --quiet`: nothing but what is wrong, and where the result is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import cl_bench
from mtil_pictures import Maker, classnames
from mtil_writers import WRITERS
from own_suite import write_classes, write_suite

from cl_bench.benchmark.errors import UserError
from cl_bench.cli import data_work

Captured = pytest.CaptureFixture[str]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """One small data set."""
    WRITERS["DTD"](tmp_path, Maker(classnames("DTD", 2), 2, 1, np.random.default_rng(0)))
    return tmp_path


def said(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured, *line: str, code: int = 0
) -> tuple[list[str], list[str]]:
    """Lines on standard output and on standard error."""
    capsys.readouterr()
    assert cl_bench(monkeypatch, "data", *line, "--quiet") == code
    captured = capsys.readouterr()
    return captured.out.splitlines(), captured.err.splitlines()


def test_what_is_whole_is_not_talked_of(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    where = ("DTD", "--data-root", str(root))
    assert said(monkeypatch, capsys, "verify", *where) == ([], [])
    cached = said(monkeypatch, capsys, "cache", *where, "--image-size", "16")
    assert cached == ([str(root / "cl-bench-cache")], [])
    assert said(monkeypatch, capsys, "prepare", *where) == ([str(root)], [])


def test_what_is_broken_is_said(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    where = ("DTD", "--data-root", str(root))
    image = next(root.rglob("*.jpg"))
    image.write_bytes(b"no image")
    out, (problem,) = said(monkeypatch, capsys, "verify", *where, code=1)
    assert out == [] and str(image) in problem
    sized = (*where, "--image-size", "16", "--skip-broken")
    out, (left_out,) = said(monkeypatch, capsys, "cache", *sized)
    assert out == [str(root / "cl-bench-cache")] and left_out == f"left out {image}"


def test_what_cannot_be_fetched_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    def refuse(*_: object) -> None:
        raise UserError("the address is dead")

    monkeypatch.setattr(data_work, "prepare", refuse)
    where = ("DTD", "--data-root", str(tmp_path))
    assert said(monkeypatch, capsys, "prepare", *where, code=1)[1] == ["DTD: the address is dead"]


def test_a_suite_is_checked_quietly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.chdir(tmp_path)
    write_classes(tmp_path / "images", {"cat": 4, "dog": 4})
    file = write_suite(tmp_path, 'name = "a"\nimages = "images"')
    assert said(monkeypatch, capsys, "check", file.name)[0] == []
    (tmp_path / "images" / "cat" / "0.png").write_bytes(b"no image")
    out, problems = said(monkeypatch, capsys, "check", file.name, code=1)
    assert out == [] and any(line.startswith("stops a run: ") for line in problems)
