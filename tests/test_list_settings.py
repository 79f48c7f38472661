"""What `cl-bench list settings` says of a value is what a run would have, and from where it has it."""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest
from command_line import cl_bench
from pydantic import Field

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.datasets.catalog import find_suite
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.merge import merge
from cl_bench.experiment.schema_words import kind_and_range
from cl_bench.experiment.setting_words import in_words
from cl_bench.experiment.settings import Setting, Value, settings_of
from cl_bench.methods.catalog import BUILT_IN, find_method
from cl_bench.methods.settings_file import FOLDER, file_of

ROOT = Path(__file__).parents[1]
SUITES = ("mini", "mini-long", "mtil", "x-tail")


def values(setting: Setting) -> dict[str, Value]:
    """Under each preset; x-tail trains on few images, so it has no ``paper``."""
    named = {"paper": setting.paper, "fair": setting.fair}
    return {preset: value for preset, value in named.items() if value is not None}


@pytest.mark.parametrize("name", BUILT_IN)
@pytest.mark.parametrize("suite", SUITES)
def test_a_value_is_the_one_that_a_run_takes(name: str, suite: str) -> None:
    entry, on = find_method(name), find_suite(suite)
    for setting in settings_of(entry, on):
        for preset, value in values(setting).items():
            said = merge(Choices.model_validate({"preset": preset}), {}, entry, on)
            tables = {
                "config": said.method, "recipe": said.recipe, "budget": said.budget,
                "protocol": said.protocol,
            }  # fmt: skip
            runs_with = tables[setting.table].model_dump(mode="json")[setting.name]
            if setting.name == "epochs_per_task":
                runs_with = {o: on.by_task(epochs) for o, epochs in runs_with.items()}
            if value.source.endswith("instead"):
                by_steps = said.budget.steps is not None
                assert value.value is None and by_steps == value.source.startswith("steps")
            else:
                assert value.value == runs_with, (preset, setting.name)


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_source_holds_the_value(name: str) -> None:
    named = 0
    for suite in SUITES:
        on = find_suite(suite)
        for setting in settings_of(find_method(name), on):
            for value in values(setting).values():
                file, bracket, place = value.source.removesuffix("]").partition(" [")
                if not bracket:
                    expected = {"default", f"suite {suite}", "steps instead", "epochs instead"}
                    assert value.source in expected
                    assert value.source != "default" or value.value == setting.default
                    continue
                table: Any = tomllib.loads((FOLDER / file).read_text())
                for part in place.split("."):
                    table = table[part]
                held = table[setting.name]
                if setting.name == "epochs_per_task":
                    held = {order: on.by_task(epochs) for order, epochs in held.items()}
                assert value.value == (on.by_task(held) if setting.name == "lr_per_task" else held)
                named += 1
    assert named or name == "zero-shot"


def test_a_value_of_a_parent_names_the_parent() -> None:
    assert file_of(FOLDER / "wc.toml", "recipe", "lr").name == "zscl.toml"
    assert file_of(FOLDER / "wc.toml", "config", "ensemble_every").name == "wc.toml"
    with pytest.raises(UserError, match=r"zscl\.toml has no pull in \[config\]"):
        file_of(FOLDER / "wc.toml", "config", "pull")


def test_what_follows_from_another_setting_is_no_default(tmp_path: Path) -> None:
    plugin = tmp_path / "own.py"
    plugin.write_text(
        "from cl_bench.benchmark.method import Method\n"
        "from cl_bench.methods.configs.keeplora import KeepLoRAConfig\n"
        "class Own(Method):\n    Config = KeepLoRAConfig\n"
    )
    plugin.with_suffix(".toml").write_text('[config]\nvariant = "paper"\n')
    settings = settings_of(find_method("own", plugin), find_suite("mini"))
    side = next(setting for setting in settings if setting.name == "weight_side")
    assert (side.default, side.fair) == ("output", Value("input", "follows from others"))


def test_a_methods_own_name_hides_the_recipes(tmp_path: Path) -> None:
    plugin = tmp_path / "own.py"
    plugin.write_text(
        "from cl_bench.benchmark.method import Method\n"
        "from cl_bench.benchmark.method_config import MethodConfig\n"
        "class Own(Method):\n    class Config(MethodConfig):\n        lr: float = 3.0\n"
    )
    entry, mini = find_method("own", plugin), find_suite("mini")
    options = {s.table: s.option for s in settings_of(entry, mini) if s.name == "lr"}
    assert options == {"config": "--set lr=", "recipe": ""}
    assert merge(Choices(), {"lr": 5.0}, entry, mini).method.model_dump() == {"lr": 5.0}


class Odd(MethodConfig):
    must: int = Field(ge=2, lt=9)
    any_of: int | float | None = None
    names: tuple[str, ...] = ("a",)


def test_types_and_limits_are_words() -> None:
    properties = Odd.model_json_schema()["properties"]
    assert kind_and_range(properties["must"]) == ("whole number", ">= 2, < 9")
    assert kind_and_range(properties["any_of"]) == ("whole number or number or absent", "")
    assert kind_and_range(properties["names"]) == ("list", "")
    assert kind_and_range({"const": "a", "type": "string"}) == ("a", "")
    assert kind_and_range({}) == ("any value", "")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (None, "-"), ({}, "-"), (True, "true"), (0.0, "0"), (1e-5, "1e-05"), (0, "0"),
        ({"a": 1e-4, "b": 2}, "a 0.0001, b 2"), ({"I": {}, "II": {"a": 1, "b": 2}}, "II: a 1, b 2"),
        ({"I": {"a": 3}, "II": {"b": 2}}, "I: a 3; II: b 2"), ("first", "first"),
    ],
)  # fmt: skip
def test_values_are_words(value: Any, words: str) -> None:
    assert in_words(value) == words


def test_a_suite_of_few_images_has_no_paper() -> None:
    suite = find_suite("mini")
    few = suite.model_copy(update={"protocol": suite.protocol.model_copy(update={"shots": 4})})
    settings = {s.name: s for s in settings_of(find_method("lora"), few)}
    assert all(setting.paper is None for setting in settings.values())
    assert settings["steps"].fair == Value(500, "suite mini")


def test_the_table_fits_80_columns_and_shows_every_setting(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cl_bench.cli.console import console

    monkeypatch.setattr(console, "width", 80)
    for name in BUILT_IN:
        assert cl_bench(monkeypatch, "list", "settings", name, "--suite", "mtil") == 0
        shown = capsys.readouterr().out
        head, *lines = shown.splitlines()
        assert name in head and max(map(len, lines)) <= 80
        for setting in settings_of(find_method(name), find_suite("mtil")):
            (row,) = [line for line in lines if line.split()[:1] == [setting.name]]
            for value, width in (
                (setting.default, 10),
                *((v.value, 13) for v in values(setting).values()),
            ):
                words = in_words(value)
                assert len(words) > width or words in row, (name, setting.name, words)
                flat = " ".join(shown.split())
                assert words in flat, (name, setting.name, words)


def test_one_table_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for what, has, lacks in (
        ("recipe", "weight_decay", "batch_size"), ("budget", "batch_size", "weight_decay"),
        ("protocol", "augment", "batch_size"),
    ):  # fmt: skip
        assert cl_bench(monkeypatch, "list", what, "lora") == 0
        shown = capsys.readouterr().out
        assert has in shown and lacks not in shown


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("settings", "say whose: cl-bench list settings METHOD"),
        ("recipe", "say whose: cl-bench list recipe METHOD"),
        ("settings lroa", "unknown method 'lroa': did you mean 'lora'"),
        ("settings lora --suite mimi", "unknown suite 'mimi': did you mean 'mini'"),
        ("methods lora", "list methods takes no further name"),
    ],
)
def test_a_mistake_is_named(
    command: str, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "list", *command.split()) == 2
    assert words in capsys.readouterr().err


def test_a_plugins_settings_are_shown(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plugin = ROOT / "examples" / "methods" / "norm_tuning.py"
    assert cl_bench(monkeypatch, "list", "settings", "norm-tuning", "--plugin", str(plugin)) == 0
    assert "Strength of the pull" in capsys.readouterr().out


def test_the_pages_are_those_of_the_settings() -> None:
    spec = importlib.util.spec_from_file_location("pages", ROOT / "docs" / "write_settings.py")
    assert spec is not None and spec.loader is not None
    pages = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pages)
    folder = ROOT / "docs" / "settings"
    assert {file.stem for file in folder.glob("*.md")} == set(BUILT_IN)
    for name in BUILT_IN:
        written = (folder / f"{name}.md").read_text(encoding="utf-8")
        assert written == pages.page(name), f"run `python docs/write_settings.py` for {name}"


def test_every_setting_says_what_it_is() -> None:
    for name in BUILT_IN:
        for setting in settings_of(find_method(name), find_suite("mini")):
            assert setting.about, (name, setting.table, setting.name)
            assert setting.kind != "any value", (name, setting.table, setting.name)
