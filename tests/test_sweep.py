"""Sweeps: checked before anything starts, continued, and honest about what failed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from inspect import signature
from pathlib import Path

import pytest
import yaml
from command_line import cl_bench

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunFolder, read_run
from cl_bench.cli import execute
from cl_bench.cli.run import run
from cl_bench.cli.sweep import command as sweeping
from cl_bench.cli.sweep.grid import Cell, make_grid
from cl_bench.cli.sweep.job import Job
from cl_bench.cli.sweep.local import launch
from cl_bench.cli.sweep.options import sweep
from cl_bench.cli.sweep.sweep import Sweep
from cl_bench.experiment.choices import Choices

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
        (["--methods", "lora", "--wandb", "onlin"], "unknown mode of W&B 'onlin'"),
        (["--methods", "lora", "--launcher", "slurmm"], "did you mean 'slurm'"),
        (["--methods", "lora", "--resource", "num_gpus=1"], "is for --launcher slurm and ray"),
        (
            ["--methods", "lora", "--launcher", "ray", "--resource", "=1"],
            "--resource '=1' is not KEY=VALUE",
        ),
        (["--methods", "lora", "--emit", "wanb"], "unknown target 'wanb'"),
        (["--methods", "lora:rank=2", "--emit", "wandb"], "gives no method a setting of its own"),
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
    (path / "predictions" / "targets.npz").unlink()
    assert cl_bench(monkeypatch, *command, "--dry-run") == 0
    assert "0 done, 0 begun, 0 waiting, 2 failed" in capsys.readouterr().out, "it is damaged"


def test_the_options_of_run_are_options_of_a_sweep_and_reach_every_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    of_a_cell = {"method", "order", "seed", "config", "write_config", "no_estimate"}
    assert set(signature(run).parameters) - set(signature(sweep).parameters) == of_a_cell
    given = [
        "--suite", "mtil", "--backbone", "tiny-clip", "--device", "cpu", "--precision", "bf16",
        "--preset", "fair", "--plugin", "mine.py", "--data-root", "data", "--cache", "cache",
        "--protocol", "x-tail", "--namesakes", "apart", "--held-out", "none", "--retrieval", "none", "--shots", "5", "--imbalance", "10.0", "--task-imbalance", "2.5", "--clients", "4", "--rounds", "10", "--client-alpha", "0.5", "--skip-broken", "--partial-data",
        "--reference-images", "images", "--reference-texts", "texts.txt",
        "--reference-pairs", "pairs", "--selector-weights", "alexnet.pth", "--tasks", "3", "--micro-batch", "8", "--checkpoint-every", "30s", "--start-from", "earlier", "--keep", "all", "--scores", "4", "--deterministic",
        "--set", "lr=1e-4",
    ]  # fmt: skip
    swept: list[Sweep] = []
    monkeypatch.setattr(sweeping, "sweep_command", lambda sweep, *_: swept.append(sweep) or True)
    assert cl_bench(monkeypatch, "sweep", "--methods", "lora", *given) == 0
    ran: list[Choices] = []
    monkeypatch.setattr(execute, "run_command", lambda choices, *_: ran.append(choices))
    cell = swept[0].cells[0]
    assert cl_bench(monkeypatch, *cell.arguments(swept[0].common, Path("out"))) == 0
    of_method = {"method": "lora", "order": "I"}
    assert ran == [swept[0].choices.model_copy(update=of_method)]
    given = ran[0].model_dump(exclude={"seed", "relative"})
    unset = {name for name, value in given.items() if value in (None, False, ())}
    assert not unset, "every option was given"


def test_a_plugin_runs_beside_what_is_built_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = Path(__file__).parents[1] / "examples" / "methods" / "norm_tuning.py"
    command = ["sweep", "--plugin", str(plugin), *SMALL, "--out", str(tmp_path), "--dry-run"]
    assert cl_bench(monkeypatch, *command, "--methods", "norm-tuning,lora") == 0
    assert "2 runs in" in capsys.readouterr().out
    assert cl_bench(monkeypatch, *command, "--methods", "norm-tunin,lora") == 2
    assert "unknown method 'norm-tunin': did you mean 'norm-tuning'" in capsys.readouterr().err


def test_an_interrupt_stops_the_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learn = ("run", "--method", "finetune", "--suite", "mini", "--out", str(tmp_path))
    jobs = [Job(str(i), learn, tmp_path / f"{i}.log", tmp_path) for i in range(3)]
    ended: list[str] = []

    def interrupt(job: Job, well: bool) -> None:
        ended.append(job.name)
        raise KeyboardInterrupt

    quick = Job("quick", ("--version",), tmp_path / "quick.log", tmp_path)
    with pytest.raises(KeyboardInterrupt):
        launch([quick, *jobs], 2, [], interrupt)
    assert ended == ["quick"]
    assert not list(tmp_path.glob("mini-I/finetune/*/checkpoints/*")), "no task was learned"
    assert not (tmp_path / "2.log").exists(), "what waited did not start"


def test_a_terminated_sweep_leaves_no_process_behind(tmp_path: Path) -> None:
    command = ["sweep", "--methods", "finetune", "--orders", "I", "--suite", "mini"]
    words = [*command, "--device", "cpu", "--out", "sweep"]
    sweep = subprocess.Popen([sys.executable, "-m", "cl_bench", *words], cwd=tmp_path)
    patience = time.monotonic() + 120
    while not (began := list(tmp_path.glob("sweep/mini-I/finetune/*/events.jsonl"))):
        assert sweep.poll() is None and time.monotonic() < patience
        time.sleep(0.2)
    sweep.terminate()
    assert sweep.wait(timeout=60) == 130
    with RunFolder(began[0].parent).locked():  # nobody works on it any more
        assert not list(tmp_path.glob("sweep/**/checkpoints/*")), "no task was learned"


def test_a_bad_seed_is_no_grid() -> None:
    with pytest.raises(UserError, match="--orders names nothing"):
        make_grid("lora", " ", "0")


@pytest.mark.parametrize(
    "engine",
    [
        ["--launcher", "slurm", "--resource", "cluster=local", "--resource", "timeout_min=10"],
        ["--launcher", "ray", "--jobs", "2"],
    ],
    ids=["submitit", "ray"],
)
def test_an_engine_runs_the_grid_and_names_what_failed(engine: list[str], tmp_path: Path) -> None:
    """In a process of its own: both engines leave threads and warnings behind."""
    command = [sys.executable, "-m", "cl_bench", "sweep", "--methods", "zero-shot,lora:lr=1e30"]
    command += ["--orders", "I", *SMALL, "--out", "sweep", *engine]
    environment = {**os.environ, "RAY_USAGE_STATS_ENABLED": "0"}
    ended = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 1, ended.stderr
    assert "1 done, 0 begun, 0 waiting, 1 failed" in ended.stdout
    assert "lora (lr=1e30), order I, seed 0: error: the loss became" in ended.stdout
    (path,) = (tmp_path / "sweep").glob("mini-*/zero-shot/*")
    assert read_run(path).finished


def test_ray_is_not_asked_for_what_it_will_never_have(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sweep", "--methods", "zero-shot", *SMALL, "--out", str(tmp_path), "--launcher"]
    assert cl_bench(monkeypatch, *command, "ray", "--resource", "num_cpus=999") == 2
    assert "num_cpus=999 for one run, and this machine has" in capsys.readouterr().err


def test_what_an_engine_lacks_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["sweep", "--methods", "zero-shot", *SMALL, "--out", str(tmp_path / "sweep")]
    monkeypatch.setenv("PATH", "")
    assert cl_bench(monkeypatch, *command, "--launcher", "slurm") == 2
    assert "--launcher slurm: Could not detect" in capsys.readouterr().err
    command += ["--launcher", "slurm", "--resource", "cluster=local", "--resource", "tmeout=1"]
    assert cl_bench(monkeypatch, *command) == 2
    assert "tmeout" in capsys.readouterr().err
    for module, name in (("submitit", "slurm"), ("ray", "ray")):
        monkeypatch.setitem(sys.modules, module, None)
        assert cl_bench(monkeypatch, *command[:-6], "--launcher", name) == 2
        assert f"pip install 'cl-bench[{name}]'" in capsys.readouterr().err


def test_the_grid_as_a_wandb_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "sweep"
    command = ["sweep", "--methods", "zero-shot,lora", "--seeds", "0,1", *SMALL]
    assert cl_bench(monkeypatch, *command, "--out", str(out), "--emit", "wandb") == 0
    written = yaml.safe_load((out / "wandb-sweep.yaml").read_text())
    assert written["method"] == "grid" and not (out / "sweep.json").exists()
    values = {name: p["values"] for name, p in written["parameters"].items()}
    assert values == {"method": ["zero-shot", "lora"], "order": ["I"], "seed": [0, 1]}
    program, *typed = written["command"]
    place = typed.index("${args}")  # an agent puts one value of each parameter here
    typed[place : place + 1] = [f"--{name}={of[-1]}" for name, of in values.items()]
    assert program == "cl-bench" and cl_bench(monkeypatch, *typed, "--dry-run") == 0
