"""Several orders and seeds of one command: every run is the one that was asked for, or nothing begins."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from command_line import cl_bench

from cl_bench.cli import dry_run, execute
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.config_file import read_config_file
from cl_bench.experiment.resolve import Plan

MISTAKES = {  # of `run`, and as far as the options are its own, of `sweep`
    "--orders=": "--orders names nothing",
    "--orders=,": "--orders names nothing",
    "--orders=;": "--orders names nothing",
    "--orders=I,": "--orders 'I,': nothing stands beside one of its ','",
    "--orders=I,,II": "--orders 'I,,II': nothing stands beside one of its ','",
    "--orders=I;": "--orders 'I;': nothing stands beside one of its ';'",
    "--orders=I,I": "I",
    "--orders=I,III": "unknown order of suite mini 'III'",
    "--orders=DTD,Food": "'DTD' is a task and no order",
    "--orders=I,DTD": "'DTD' is a task and no order",
    "--orders=I;DTD": "'DTD' is a task and no order",
    "--orders=DTD,Food;DTD,Fod": "unknown task of suite mini 'Fod'",
    "--orders=DTD,Food;mini-DTD,mini-Food": "mini-DTD,mini-Food",
    "--seeds=": "--seeds names nothing",
    "--seeds=0,": "--seeds '0,': nothing stands beside one of its ','",
    "--seeds=0,a": "--seeds '0,a' is not a list of whole numbers",
    "--seeds=1,1": "1",
}
OF_RUN = {
    "--order I --orders II": "give --order or --orders, not both",
    "--seed 0 --seeds 1": "give --seed or --seeds, not both",
    "--seeds=-1": "must be different numbers from 0 up",
}
OF_FILE = {
    'orders = "I,II"': 'run.toml: orders must be names such as ["I", "II"], not \'I,II\'',
    "orders = []": "run.toml: orders must be names",
    "orders = true": "run.toml: orders must be names",
    'orders = ["I", 2]': "run.toml: orders must be names",
    'orders = ["I", ""]': "run.toml: orders must be names",
    'orders = ["I", "I"]': "run.toml: orders: 'I' stands twice",
    'orders = ["I", "III"]': "unknown order of suite mini 'III'",
    'order = "I"\norders = ["II"]': "run.toml: give order or orders, not both",
    "seed = 0\nseeds = [1]": "run.toml: give seed or seeds, not both",
    "seeds = []": "run.toml: seeds must be whole numbers",
    "seeds = [1, 1]": "run.toml: seeds: [1, 1] must be different numbers",
    "out = 3": 'run.toml: out must be a folder such as "runs", not 3',
    'out = ""': "run.toml: out must be a folder",
}


def error_of(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *line: str
) -> str:
    """The one line of a mistake."""
    assert cl_bench(monkeypatch, *line) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ") and said.err.count("\n") == 1 and not said.out
    return said.err


@pytest.mark.parametrize("typed", MISTAKES)
@pytest.mark.parametrize("command", ["run", "sweep --methods lora"])
def test_a_mistake_is_one_line_and_nothing_begins(
    command: str, typed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    said = error_of(monkeypatch, capsys, *command.split(), typed, "--suite", "mini")
    assert MISTAKES[typed] in said and not list(tmp_path.iterdir())


@pytest.mark.parametrize("typed", OF_RUN)
def test_a_mistake_of_run(
    typed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert OF_RUN[typed] in error_of(monkeypatch, capsys, "run", *typed.split())


@pytest.mark.parametrize("content", OF_FILE)
def test_a_mistake_in_a_file_names_the_file(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "run.toml"
    file.write_text(f'suite = "mini"\n{content}\n')
    assert OF_FILE[content] in error_of(monkeypatch, capsys, "run", "--config", str(file))


def asked(monkeypatch: pytest.MonkeyPatch, *line: str) -> list[tuple[str | None, int]]:
    """Order and seed of every run that a command begins, in order."""
    seen: list[Choices] = []
    real = execute.resolve

    def resolve(choices: Choices, *rest: Any, **more: Any) -> Plan:
        seen.append(choices)
        return real(choices, *rest, **more)

    monkeypatch.setattr(execute, "resolve", resolve)
    monkeypatch.setattr(dry_run, "show_plan", lambda *_: None)
    assert (
        cl_bench(monkeypatch, "run", "--suite", "mini", "--device", "cpu", *line, "--dry-run") == 0
    )
    return [(choices.order, choices.seed) for choices in seen]


def test_every_order_with_every_seed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    both = [("I", 0), ("II", 0), ("I", 3), ("II", 3)]
    assert asked(monkeypatch, "--orders", "I, II", "--seeds", "0,3") == both
    lists = "II;DTD,Food;Food,DTD"
    assert asked(monkeypatch, "--orders", lists) == [
        ("II", 0), ("DTD,Food", 0), ("Food,DTD", 0),
    ]  # fmt: skip
    file = tmp_path / "run.toml"
    file.write_text('orders = ["I", "II"]\nseeds = [0, 3]\n')
    assert asked(monkeypatch, "--config", str(file)) == both
    assert asked(monkeypatch, "--config", str(file), "--seed", "1", "--order", "II") == [("II", 1)]
    assert asked(monkeypatch, "--config", str(file), "--orders", "II", "--seeds", "1") == [
        ("II", 1)
    ]
    file.write_text('order = "III"\n')  # what is typed goes before it
    assert asked(monkeypatch, "--config", str(file), "--orders", "I,II") == [("I", 0), ("II", 0)]


def test_the_plan_of_every_order_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, int, int]] = []
    monkeypatch.setattr(
        dry_run,
        "show_plan",
        lambda plan, seeds, *_: shown.append((plan.config.order, plan.config.seed, seeds)),
    )
    line = ("run", "--suite", "mini", "--device", "cpu", "--orders", "I,II", "--seeds", "4,5")
    assert cl_bench(monkeypatch, *line, "--dry-run") == 0
    assert shown == [("I", 4, 2), ("II", 4, 2)]


@pytest.mark.parametrize("orders", ["I,II", "II", "II;DTD,Food"])
def test_a_written_file_leads_to_the_same_runs(
    orders: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "run.toml"
    line = ("--orders", orders, "--seeds", "0,3")
    typed = ("run", "--suite", "mini", *line, "--write-config", str(file))
    assert cl_bench(monkeypatch, *typed) == 0
    said = tomllib.loads(file.read_text())
    assert (
        "order" not in said and "seed" not in said and read_config_file(file, ("orders", "seeds"))
    )
    assert asked(monkeypatch, "--config", str(file)) == asked(monkeypatch, *line)
