"""`run` and `sweep` share their folder: no run is made twice, and none counts twice as two seeds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import cl_bench as command
from written_run import write_run

import cl_bench
from cl_bench.reports.runs.find import read_runs
from cl_bench.reports.runs.group import group

SMALL = ("--suite", "mini", "--tasks", "1", "--device", "cpu")


def counts(*paths: Path) -> list[tuple[str, list[int]]]:
    """Label and seeds of every row that a report would have."""
    runs, _ = read_runs(paths)
    return [
        (row.label, [run.config.seed for run in row.runs]) for g in group(runs) for row in g.rows
    ]


def test_a_sweep_takes_what_run_has_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "run", "--method", "zero-shot", *SMALL, "--quiet") == 0
    (made,) = capsys.readouterr().out.splitlines()
    assert command(monkeypatch, "sweep", "--methods", "zero-shot", *SMALL) == 0
    assert "1 runs in runs: 1 done" in capsys.readouterr().out
    (kept,) = Path("runs", "sweeps").iterdir()
    grid = json.loads((kept / "sweep.json").read_text())
    assert grid["cells"] == [["zero-shot", [], "I", 0]]
    assert command(monkeypatch, "sweep", "--methods", "zero-shot", *SMALL, "--quiet") == 0
    assert capsys.readouterr().out == f"{made}\n"
    more = ("sweep", "--methods", "zero-shot,lora", *SMALL)
    assert command(monkeypatch, *more, "--dry-run") == 0, "another grid may share the folder"
    assert "2 runs in runs: 1 done, 0 begun, 1 waiting" in capsys.readouterr().out
    assert command(monkeypatch, "report") == 0 and Path("report", "report.html").is_file()
    assert command(monkeypatch, "verify") == 0
    assert f"{made}\n" in capsys.readouterr().out


def test_both_commands_have_the_same_order_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "run", "--method", "zero-shot", *SMALL, "-q") == 0
    assert Path(capsys.readouterr().out).parts[1] == "mini-I-1tasks"
    assert command(monkeypatch, "sweep", "--methods", "zero-shot", *SMALL, "--dry-run") == 0
    assert "1 runs in runs: 1 done" in capsys.readouterr().out


def test_a_run_in_runs_and_in_a_sweeps_folder_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    single = write_run(Path("runs", "toy-I", "lora"), seed=0)
    for seed in (0, 1, 2):
        write_run(Path("runs", "mine", "toy-I", "lora"), seed=seed)
    assert counts(Path("runs")) == [("lora", [0, 1, 2])]
    assert command(monkeypatch, "report") == 0
    said = capsys.readouterr().err
    assert said.count("left out") == 1 and f"repeats runs/mine/toy-I/lora/{single.name}" in said
    (line,) = cl_bench.load().table().to_dict("records")
    assert line["n"] == 3


def test_the_same_seed_under_another_digest_is_no_second_seed(tmp_path: Path) -> None:
    """Words of a caveat are part of a digest, and may be written otherwise in another version."""
    write_run(tmp_path / "a", seed=0, caveats=("beware",))
    write_run(tmp_path / "b", seed=0, caveats=("Beware!",))
    write_run(tmp_path / "b", seed=1, caveats=("Beware!",))
    assert counts(tmp_path) == [("lora", [0, 1])]
    _, ((path, reason),) = read_runs([tmp_path])
    assert path.parent == tmp_path / "b" and "same settings and seed" in reason


def test_an_edited_plug_in_is_another_row(tmp_path: Path) -> None:
    write_run(tmp_path, seed=0, plugin="a" * 64)
    write_run(tmp_path, seed=0, plugin="b" * 64)
    rows = counts(tmp_path)
    assert [seeds for _, seeds in rows] == [[0], [0]]
    assert {label for label, _ in rows} == {f"lora (plugin={letter * 12})" for letter in "ab"}


def test_a_side_of_a_comparison_is_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cl_bench.benchmark.config import Recipe

    write_run(tmp_path / "a", seed=0, recipe=Recipe(lr=0.1))
    write_run(tmp_path / "a", seed=1, recipe=Recipe(lr=0.2))
    other = write_run(tmp_path / "b", "wc")
    assert command(monkeypatch, "compare", str(tmp_path / "a"), str(other)) == 2
    assert "holds runs of several methods or settings" in capsys.readouterr().err


def test_two_cells_that_are_one_run_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("sweep", "--methods", "lora,lora:rank=16", "--suite", "mini", "--device", "cpu")
    assert command(monkeypatch, *line, "--dry-run") == 2
    assert "lora (rank=16), order I, seed 0 is the same run as lora, order I, seed 0" in (
        capsys.readouterr().err
    )


def test_a_folder_of_its_own_keeps_one_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As folders of earlier versions are, whose grid and logs lie beside the runs."""
    monkeypatch.chdir(tmp_path)
    assert command(monkeypatch, "run", "--method", "zero-shot", *SMALL, "-q") == 0
    shutil.move("runs", "sweep")
    grid = {
        "cells": [["zero-shot", [], "I", 0]],
        "common": ["--suite", "mini", "--device", "cpu", "--tasks", "1"],
    }
    Path("sweep", "sweep.json").write_text(json.dumps(grid))
    capsys.readouterr()
    line = ("sweep", "--methods", "zero-shot", *SMALL, "--out", "sweep")
    assert command(monkeypatch, *line) == 0
    assert "1 runs in sweep: 1 done" in capsys.readouterr().out
    assert command(monkeypatch, *line, "--seeds", "0,1") == 2
    assert "is of another sweep" in capsys.readouterr().err
