"""Sweeps: checked before anything starts, continued, and honest about what failed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import cl_bench

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import read_run
from cl_bench.cli.sweep.grid import Cell, make_grid
from cl_bench.cli.sweep.local import Job, launch

SMALL = ["--suite", "mini", "--tasks", "1", "--device", "cpu", "--set", "steps=2"]


@pytest.fixture(autouse=True)
def this_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent / "src"))


def test_a_grid_is_every_combination_with_each_methods_own_settings() -> None:
    cells = make_grid("lora, keeplora:variant=paper:rank=4", "I,II", "0,1")
    assert len(cells) == 8 and len(set(cells)) == 8
    assert cells[1] == Cell("keeplora", ("variant=paper", "rank=4"), "I", 0)
    assert [cell.seed for cell in cells] == [0] * 4 + [1] * 4
    typed = cells[1].arguments(["--suite", "mini"], Path("out"))
    assert typed == [
        "run", "--method", "keeplora", "--order", "I", "--seed", "0", "--set", "variant=paper",
        "--set", "rank=4", "--suite", "mini", "--out", "out",
    ]  # fmt: skip
    assert len({cell.slug for cell in cells}) == 8


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--methods", ","], "--methods names nothing"),
        (["--methods", "lora,lora"], "holds lora, order I, seed 0 twice"),
        (["--methods", "lora", "--seeds", "0,x"], "not a list of whole numbers"),
        (
            ["--methods", "lora,lorra"],
            "lorra, order I, seed 0: unknown method 'lorra': did you mean",
        ),
        (["--methods", "lora:rnak=3"], "unknown setting of lora 'rnak': did you mean 'rank'"),
        (["--methods", "lora", "--jobs", "0"], "--jobs 0: give 1 or more"),
    ],
)
def test_mistakes_show_before_anything_starts(
    arguments: list[str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    out = tmp_path / "sweep"
    assert cl_bench(monkeypatch, "sweep", *arguments, "--suite", "mini", "--out", str(out)) == 2
    error = capsys.readouterr().err
    assert words in error and len(error.strip().splitlines()) == 1
    assert not out.exists()


def test_a_sweep_runs_names_what_failed_and_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "sweep"
    command = ["sweep", "--methods", "zero-shot,lora:lr=1e30", "--orders", "I", *SMALL]
    command += ["--out", str(out), "--jobs", "2"]
    assert cl_bench(monkeypatch, *command, "--dry-run") == 0
    assert "2 waiting" in capsys.readouterr().out and not out.exists()
    assert cl_bench(monkeypatch, *command) == 1
    shown = capsys.readouterr().out
    assert "1 done, 0 begun, 0 waiting, 1 failed" in shown
    assert "lora (lr=1e30), order I, seed 0: error: the loss became" in shown
    (path,) = out.glob("mini-*/zero-shot/*")
    assert read_run(path).finished
    begun = json.loads((path / "manifest.json").read_text())["sessions"]
    assert cl_bench(monkeypatch, *command) == 1, "what failed waits to be asked for again"
    assert "1 failed" in capsys.readouterr().out
    assert json.loads((path / "manifest.json").read_text())["sessions"] == begun
    assert cl_bench(monkeypatch, *command, "--seeds", "0,1", "--dry-run") == 0
    assert cl_bench(monkeypatch, *command, "--seeds", "0,1") == 2
    assert "sweep.json is of another sweep (2 runs)" in capsys.readouterr().err


def test_an_interrupt_stops_the_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [Job(str(i), ("run", "--method", "finetune", "--suite", "mini", "--out", str(tmp_path)),
                tmp_path / f"{i}.log") for i in range(3)]  # fmt: skip
    ended: list[str] = []

    def interrupt(job: Job, well: bool) -> None:
        ended.append(job.name)
        raise KeyboardInterrupt

    quick = Job("quick", ("--version",), tmp_path / "quick.log")
    with pytest.raises(KeyboardInterrupt):
        launch([quick, *jobs], 2, [], interrupt)
    assert ended == ["quick"]
    assert not list(tmp_path.glob("mini-I/finetune/*/checkpoints/*")), "no task was learned"
    assert not (tmp_path / "2.log").exists(), "what waited did not start"


def test_a_bad_seed_is_no_grid() -> None:
    with pytest.raises(UserError, match="--orders names nothing"):
        make_grid("lora", " ", "0")
