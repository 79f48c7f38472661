"""What a method's settings file takes over from the one it extends, and what stays as it was."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from small_run import small_plan

from cl_bench.benchmark.errors import UserError
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve
from cl_bench.methods.catalog import BUILT_IN, find_method
from cl_bench.methods.settings_file import read_settings

RECORDED = json.loads((Path(__file__).parent / "data" / "resolved_settings.json").read_text())
TABLES = ("config", "recipe", "budget", "protocol")
PARENT = """\
[about]
about = "a parent"
trainable = 7

[config]
rank = 16

[recipe]
lr = 1e-3
weight_decay = 0.1

[paper.recipe.lr_per_task]
MNIST = 1e-4
Food = 2e-4

[mini.config]
alpha = 2.0
"""


@pytest.mark.parametrize("name", BUILT_IN)
def test_built_in_settings_are_those_recorded(name: str) -> None:
    """Recorded before settings files could extend each other; `finetune` lost ZSCL's switches."""
    entry = find_method(name)
    for preset in ("paper", "fair"):
        for suite in ("mini", "mtil", "x-tail"):
            found = {table: entry.defaults(table, preset, suite) for table in TABLES}
            assert found == RECORDED["tables"][f"{name} {preset} {suite}"], (preset, suite)


def test_the_digests_of_all_configurations_are_those_recorded(references: dict[str, Path]) -> None:
    """Names of run folders and ``cl-bench verify`` depend on them."""
    for key, digest in RECORDED["digests"].items():
        method, preset, suite, order = key.split()
        chosen = {"suite": suite, "method": method, "preset": preset, "order": order}
        plan = resolve(Choices.model_validate({**chosen, **references, "device": "cpu"}))
        assert plan.config.digest() == digest, key
    assert len(RECORDED["digests"]) > 150


def written(folder: Path, child: str, **others: str) -> Path:
    for name, text in {"child": child, "parent": PARENT, **others}.items():
        (folder / f"{name}.toml").write_text(text)
    return folder / "child.toml"


def test_tables_are_merged_and_the_child_wins(tmp_path: Path) -> None:
    child = """\
    extends = "parent.toml"
    [recipe]
    lr = 5e-3
    [paper.recipe.lr_per_task]
    Food = 9e-4
    [paper.budget]
    steps = 3
    """
    assert read_settings(written(tmp_path, child)) == {
        "config": {"rank": 16},
        "recipe": {"lr": 5e-3, "weight_decay": 0.1},
        "paper": {
            "recipe": {"lr_per_task": {"MNIST": 1e-4, "Food": 9e-4}},
            "budget": {"steps": 3},
        },
        "mini": {"config": {"alpha": 2.0}},
    }


def test_what_a_parent_says_about_itself_is_not_true_of_the_child(tmp_path: Path) -> None:
    settings = read_settings(written(tmp_path, 'extends = "parent.toml"'))
    assert "about" not in settings
    own = 'extends = "parent.toml"\n[about]\nabout = "a child"'
    assert read_settings(written(tmp_path, own))["about"] == {"about": "a child"}


def test_an_inherited_table_or_key_can_be_left_out(tmp_path: Path) -> None:
    child = """\
    extends = "parent.toml"
    without = ["mini.config", "recipe.weight_decay", "paper.recipe.lr_per_task"]
    [paper.recipe.lr_per_task]
    DTD = 1.0
    """
    settings = read_settings(written(tmp_path, child))
    assert settings["mini"] == {} and settings["recipe"] == {"lr": 1e-3}
    assert settings["paper"]["recipe"]["lr_per_task"] == {"DTD": 1.0}


def test_a_grandparents_values_arrive(tmp_path: Path) -> None:
    middle = 'extends = "parent.toml"\n[config]\nrank = 4'
    path = written(tmp_path, 'extends = "middle.toml"\n[config]\npull = 1.0', middle=middle)
    assert read_settings(path)["config"] == {"rank": 4, "pull": 1.0}


def test_a_plugin_extends_a_built_in_method(tmp_path: Path) -> None:
    plugin = tmp_path / "lora.py"  # the name of the one it extends: no circle
    source = Path(__file__).parents[1] / "examples" / "methods" / "norm_tuning.py"
    plugin.write_text(source.read_text())
    plugin.with_suffix(".toml").write_text('extends = "lora"\nwithout = ["mini.config"]')
    config = small_plan("norm-tuning", plugin=plugin, preset="paper", order="II").config
    assert (config.recipe.optimizer, config.recipe.lr) == ("adamw", 1e-3)
    assert config.protocol.precision in ("fp16", "bf16", "fp32")
    plugin.with_suffix(".toml").write_text('extends = "lorra"')
    with pytest.raises(UserError, match=r"lora\.toml, extends: .*'lorra': did you mean 'lora'"):
        small_plan("norm-tuning", plugin=plugin)


MISTAKES: dict[str, Any] = {
    'extends = "keeplroa"': r"child\.toml, extends: unknown method 'keeplroa'.*'keeplora'",
    'extends = "gone.toml"': r"settings file .*gone\.toml does not exist",
    "extends = 3": r"child\.toml: extends must be one name",
    'extends = ["lora"]': r"child\.toml: extends must be one name",
    'extends = "child.toml"': r"extends itself: child\.toml -> child\.toml",
    'extends = "back.toml"': r"extends itself: child\.toml -> back\.toml -> child\.toml",
    'without = ["config"]': r"has `without`, but extends no other",
    'extends = "parent.toml"\nwithout = "config"': r"must be a list",
    'extends = "parent.toml"\nwithout = [1]': r"must be a list",
    'extends = "parent.toml"\nwithout = ["mini.recipe"]': r"'mini\.recipe' is not taken over",
    'extends = "parent.toml"\nwithout = ["config.rank.x"]': r"'config\.rank\.x' is not taken over",
    'extends = "parent.toml"\nwithout = ["about"]': r"'about' is not taken over",
    'extends = "parent.toml"\n[config]\nalpha = 1.0': r"alpha of \[config\] would be replaced by 2\.0",
    "lr = 1e-3": r"child\.toml: lr must stand in a table",
    "[recipes]\nlr = 1e-3": r"\[recipes\] holds 'lr'; known: \[recipes\.config\]",
    "[paper.recipes]\nlr = 1e-3": r"\[paper\] holds 'recipes'; known: \[paper\.config\]",
    "[recipe\nlr = 1": r"child\.toml cannot be read",
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_named(text: str, tmp_path: Path) -> None:
    path = written(tmp_path, text, back='extends = "child.toml"')
    with pytest.raises(UserError, match=MISTAKES[text]) as caught:
        read_settings(path)
    assert "\n" not in str(caught.value)


def test_a_value_that_would_lose_may_be_given_for_the_suite_too(tmp_path: Path) -> None:
    child = 'extends = "parent.toml"\n[config]\nalpha = 1.0\n[mini.config]\nalpha = 3.0'
    settings = read_settings(written(tmp_path, child))
    assert settings["config"]["alpha"] == 1.0 and settings["mini"]["config"]["alpha"] == 3.0


def test_the_documented_example_is_right(tmp_path: Path) -> None:
    docs = (Path(__file__).parents[1] / "docs" / "adding-a-method.md").read_text()
    (example,) = re.findall(r"```toml\n(extends = .*?)```", docs, re.DOTALL)
    settings = read_settings(written(tmp_path, example))
    assert settings["recipe"] == {
        "optimizer": "adamw", "lr": 5e-4, "weight_decay": 0.01, "schedule": "onecycle",
    }  # fmt: skip
    assert settings["mini"] == {} and settings["paper"].keys() == {"protocol"}
