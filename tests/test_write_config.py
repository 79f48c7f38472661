"""A written --config file leads to the run that was asked for, and shows what else can be set."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from command_line import cl_bench

from cl_bench.experiment.choices import OPTIONS, Choices, choices_of, option_name
from cl_bench.experiment.config_example import config_example
from cl_bench.experiment.config_file import read_config_file
from cl_bench.experiment.resolve import resolve
from cl_bench.experiment.settings import find_settings
from cl_bench.experiment.toml_value import toml_value
from cl_bench.methods.catalog import BUILT_IN

CASES: list[dict[str, Any]] = [
    {},
    {"method": "lora", "order": "mini-DTD,mini-Food", "seed": 7, "device": "cpu", "tasks": 1},
    {"method": "zscl", "preset": "paper", "precision": "bf16", "protocol": "mtil"},
    {"method": "keeplora", "overrides": ("rank=4", "variant=paper", "lr=1e-4", "prompts=ensemble")},
    {"method": "zscl", "overrides": ('lr_per_task={"mini-DTD" = 1e-4}', "epochs=3", "grad_clip=1.0")},
    {"method": "lora", "shots": 4, "skip_broken": True, "cache": Path("a b/\"c\"")},
    {"plugin": Path(__file__).parents[1] / "examples" / "methods" / "norm_tuning.py", "method": "norm-tuning"},
]  # fmt: skip


def written(tmp_path: Path, choices: Choices, **further: Any) -> Path:
    file = tmp_path / "run.toml"
    file.write_text(config_example(choices, further), encoding="utf-8")
    return file


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_file_leads_to_the_same_run(case: dict[str, Any], tmp_path: Path) -> None:
    asked = Choices.model_validate({"suite": "mini", "device": "cpu", **case})
    again = choices_of(read_config_file(written(tmp_path, asked)))
    assert resolve(again).config.digest() == resolve(asked).config.digest()
    assert again.model_dump(exclude={"overrides"}) == asked.model_dump(exclude={"overrides"})


@pytest.mark.parametrize("name", BUILT_IN)
def test_everything_that_can_be_set_stands_in_it(name: str, tmp_path: Path) -> None:
    text = written(tmp_path, Choices(suite="mini", method=name)).read_text(encoding="utf-8")
    for option in (option_name(o).replace("-", "_") for o in OPTIONS if o != "overrides"):
        assert re.search(rf"^(# )?{option} = ", text, re.MULTILINE), option
    for setting in find_settings(name, "mini"):
        if setting.option.startswith("--set"):
            (line,) = re.findall(rf"^# {setting.name} = (.*)  # ", text, re.MULTILINE)
            value = setting.fair.value
            assert line == "..." if value is None else tomllib.loads(f"v = {line}")["v"] == value


def test_the_command_writes_it_and_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    line = ("run", "--suite", "mini", "--method", "lora", "--seeds", "0,2", "--out", "there")
    assert cl_bench(monkeypatch, *line, "--wandb", "offline", "--write-config", "a.toml") == 0
    assert [file.name for file in tmp_path.iterdir()] == ["a.toml"]
    said = tomllib.loads(Path("a.toml").read_text())
    assert (said["seeds"], said["out"], said["wandb"]) == ([0, 2], "there", "offline")
    assert "seed" not in said and said["set"] == {}
    capsys.readouterr()
    assert cl_bench(monkeypatch, "run", "--write-config", "a.toml") == 2
    assert "there is such a file" in capsys.readouterr().err
    assert cl_bench(monkeypatch, "run", "--set", "rank=0", "--write-config", "b.toml") == 2
    assert not Path("b.toml").exists()


@pytest.mark.parametrize(
    "value", [1, 1e-5, True, 'a"b\\c é', [1, 2], ["a"], {"a b": 1e-4, "c": {"d": 2}}, float("inf")]
)
def test_values_are_toml(value: Any) -> None:
    assert tomllib.loads(f"v = {toml_value(value)}")["v"] == value
