"""What ``run --dry-run`` shows: every setting with the changed ones marked, and what the run will take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import cl_bench

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.estimate import forecast as parts_of_forecast
from cl_bench.benchmark.estimate.expected import PHASES
from cl_bench.benchmark.estimate.foreseen import Forecast, Memory
from cl_bench.cli import dry_run
from cl_bench.datasets import backbones
from cl_bench.experiment import forecast as of_a_plan
from cl_bench.experiment.choices import choices_of
from cl_bench.experiment.resolve import resolve
from cl_bench.experiment.set_values import set_values

SMALL = ["run", "--suite", "mini", "--device", "cpu", "--tasks", "1", "--dry-run"]
KNOWN = Forecast(
    seconds=dict.fromkeys(PHASES, 20.0), work={phase: np.full(4, 2e12) for phase in PHASES[:-1]},
    memory=Memory(3 * 2**30, 2**20), checkpoints=(4 * 2**20, 5 * 2**20), records=2**16, measured=1.5, is_played=True,
)  # fmt: skip


def never(*of: Any) -> Any:
    raise AssertionError("it was asked for")


def changed(**choices: Any) -> dict[str, tuple[str, str]]:
    """The settings that are marked: their values and the usual ones."""
    plan = resolve(choices_of({"suite": "mini", "device": "cpu", **choices}))
    found = [(v.name, v.value, v.usual) for v in set_values(plan)]
    assert len({name for name, *_ in found}) == len(found)
    return {name: (value, usual) for name, value, usual in found if usual is not None}


def test_exactly_the_changed_settings_are_marked() -> None:
    for method in ("keeplora", "keeplora-kd", "zscl", "moe-adapters", "zero-shot"):
        for preset in ("paper", "fair"):
            marked = changed(method=method, preset=preset)
            assert marked.keys() <= {"precision"}, "fp16 is not what a CPU does"
            assert ("precision" in marked) == (method.startswith("keep") and preset == "paper")
    assert changed(method="lora", overrides=("rank=8", "lr=0.01", "alpha=16", "epochs=5")) == {
        "rank": ("8", "16"), "lr": ("0.01", "0.001"),
    }  # fmt: skip
    assert changed(method="lora", protocol="x-tail", shots=4, precision="bf16", skip_broken=True) == {
        "labels": ("all", "own"), "shots": ("4", "-"), "precision": ("bf16", "fp32"),
        "broken": ("skip", "stop"),
    }  # fmt: skip
    assert changed(method="lora", tasks=3) == {}
    assert changed(method="lora", overrides=("batch_size=64",), tasks=1) == {
        "batch_size": ("64", "32"), "steps": ("50 a task", "95 a task"),
    }  # fmt: skip
    assert changed(method="zscl", preset="paper", overrides=("steps=8",))["steps"] == (
        "8 a task", "1,001 a task",
    )  # fmt: skip


def test_every_setting_is_shown_once_and_fits_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, *SMALL, "--set", "rank=8", "--no-estimate") == 0
    shown = capsys.readouterr().out
    values = set_values(
        resolve(choices_of({"suite": "mini", "device": "cpu", "overrides": ["rank=8"]}))
    )
    for value in values:
        mark = r"\*" if value.name == "rank" else " "
        assert len(re.findall(rf"^{mark} {value.name} +\S", shown, re.M)) == 1, value.name
    assert "* changed: 1 of 42" in shown and "{" not in shown.replace("{}", "")
    table = shown.partition("config:")[2].partition("* changed")[0]
    assert max(map(len, table.splitlines())) < 80


def test_without_an_estimate_nothing_is_measured(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(of_a_plan, "forecast", never)
    assert cl_bench(monkeypatch, *SMALL, "--no-estimate") == 0
    shown = capsys.readouterr().out
    assert "measuring" not in shown and "memory" not in shown and "Nothing was trained." in shown
    assert cl_bench(monkeypatch, "run", "--suite", "mini", "--no-estimate") == 2
    error = capsys.readouterr().err
    assert "--no-estimate belongs to --dry-run" in error and len(error.splitlines()) == 1


def test_the_published_run_is_foreseen_without_its_model(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It used to time four passes of ViT-B/16 with 64 images: more than 200 s without a word."""
    monkeypatch.setattr(backbones, "load", never)
    monkeypatch.setattr(parts_of_forecast, "measure_rates", lambda *of: np.full(4, 1e-11))
    command = ["run", "--suite", "mtil", "--method", "keeplora", "--device", "cpu", "--dry-run"]
    assert cl_bench(monkeypatch, *command) == 0
    shown = capsys.readouterr().out
    for title in dry_run.PHASES.values():
        assert re.search(rf"^{title} +\d", shown, re.M), title
    assert shown.index("measuring") < shown.index("preparation")
    found = re.search(r"^training +\S+ \w+ +([\d,]+) ", shown, re.M)
    assert found is not None
    # 43,160 steps of 64 images, 35 GFLOP each way through a ViT-B/16; texts and adapters on top
    least = 43_160 * 64 * 2 * 35.1e9 / 1e12
    assert least < float(found[1].replace(",", "")) < 1.4 * least


def test_a_method_of_ones_own_is_foreseen(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(parts_of_forecast, "measure_rates", lambda *of: np.ones(4))
    plugin = str(Path(__file__).parents[1] / "examples" / "methods" / "norm_tuning.py")
    assert cl_bench(monkeypatch, *SMALL, "--method", "norm-tuning", "--plugin", plugin) == 0
    assert re.search(r"^training +\S+ days +\S+ +\S+$", capsys.readouterr().out, re.M)


def test_several_seeds_are_several_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(of_a_plan, "forecast", lambda plan: KNOWN)
    assert cl_bench(monkeypatch, *SMALL, "--seeds", "0,1,2") == 0
    shown = capsys.readouterr().out
    assert re.search(r"^together +2 min *$", shown, re.M), "six phases of 20 s"
    assert "seeds     3: 6 min one after the other" in shown
    assert "about 3 GiB at the peak, on cpu" in shown and "5 MiB of checkpoint" in shown
    assert "measured on this machine for 1.5 s on cpu" in " ".join(shown.split())
    assert cl_bench(monkeypatch, *SMALL) == 0
    assert "seeds" not in capsys.readouterr().out


def test_what_cannot_be_foreseen_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(plan: Any) -> Any:
        raise UserError("its weights are not here")

    monkeypatch.setattr(of_a_plan, "forecast", fails)
    assert cl_bench(monkeypatch, *SMALL) == 0
    shown = capsys.readouterr().out
    assert "expected  not known: its weights are not here" in shown and "training" not in shown


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (61, "61 s"), (180, "3 min"), (7_200, "2.0 h"), (864_000, "10.0 days")],
)  # fmt: skip
def test_durations(seconds: float, words: str) -> None:
    assert dry_run.duration(seconds) == words
