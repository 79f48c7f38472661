"""Whatever is typed or written into a file: one line says what is wrong, or the run is what was asked for."""

from __future__ import annotations

import functools
import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from fuzzing import cases
from hypothesis import example, given
from hypothesis import strategies as st

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.catalog import find_suite
from cl_bench.experiment.choices import OPTIONS, Choices, choices_of, option_name
from cl_bench.experiment.config_file import read_config_file
from cl_bench.experiment.resolve import resolve
from cl_bench.experiment.settings import find_settings, settable_names
from cl_bench.experiment.toml_value import toml_value
from cl_bench.methods.catalog import BUILT_IN

METHODS = st.sampled_from(sorted(BUILT_IN))
NUMBERS = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, -1, 1, 2**31, 2**63, 10**30, 1e-320, 1e308, 0.5]),
)
AWKWARD = (
    "nan", "inf", "-inf", "1e400", "1e-400", "true", "false", "[]", "{}", '""', "[1,2", "{a = 1}", "[[1]]",
    "2020-01-01", "1979-99-99", "0x10", "1_000", "1\nx = 2", "1\r2", "1 # one", "9" * 5000, "[" * 3000, "-0",
    "+1", " 1 ", "a\0b", "\u2028", "{'mini-MNIST' = 1}", "{MNIST = true}", "{nothing = 1}", "٣", "1١", "Ⅷ",
)  # fmt: skip
KEYS = st.one_of(st.sampled_from(sorted(settable_names())), st.text(max_size=8))
WORDS = st.one_of(NUMBERS.map(repr), st.sampled_from(AWKWARD), st.text(max_size=12))
PAIRS = st.one_of(st.tuples(KEYS, WORDS).map("=".join), st.text(max_size=12))
TASKS = tuple(task.name for task in find_suite("mini").tasks)


def resolved(**given: Any) -> RunConfig | str:
    """The run, or what the user is told in one line; any other error is a failure."""
    try:
        config = resolve(choices_of({"suite": "mini", "device": "cpu", **given})).config
    except UserError as error:
        return one_line(error)
    return config


def one_line(error: UserError) -> str:
    words = str(error)
    assert words and len(words.splitlines()) == 1 and len(words) < 3000, words
    return words


def must_be_sound(config: RunConfig) -> None:
    """All numbers are finite, and the file that keeps the run gives the same run."""
    written = json.dumps(config.model_dump(mode="json"), allow_nan=False)
    again = RunConfig.model_validate(json.loads(written))
    assert again == config and again.digest() == config.digest()
    assert config.tasks and set(config.tasks) <= set(TASKS)
    assert len(set(config.tasks)) == len(config.tasks)
    assert config.budget.steps.keys() == set(config.tasks)
    assert all(steps >= 1 for steps in config.budget.steps.values())


@cases(500)
@given(METHODS, st.lists(PAIRS, max_size=3))
def test_any_overrides(method: str, pairs: list[str]) -> None:
    config = resolved(method=method, overrides=pairs)
    if isinstance(config, RunConfig):
        must_be_sound(config)


@functools.cache
def numeric(method: str) -> dict[str, tuple[str, str]]:
    """The settings of a method that are numbers: name -> its table, its kind."""
    return {
        s.name: (s.table, s.kind)
        for s in find_settings(method, "mini")
        if s.option and type(s.fair.value) in (int, float)
    }


@cases(400)
@given(METHODS, NUMBERS, st.data())
def test_a_number_is_taken_as_it_is_or_refused(
    method: str, number: float, data: st.DataObject
) -> None:
    """Read by other means than the product's: what JSON makes of what was typed."""
    names = numeric(method)
    name = data.draw(st.sampled_from(sorted(names)))
    config = resolved(method=method, overrides=[f"{name}={number!r}"])
    if isinstance(config, str):
        assert name in config, "the setting is named"
        return
    must_be_sound(config)
    tables: dict[str, dict[str, Any]] = {
        "config": config.method_settings, "recipe": config.recipe.model_dump(),
        "budget": config.budget.model_dump(),
    }  # fmt: skip
    found = tables[names[name][0]].get(name)
    expected = float(json.loads(json.dumps(number)))
    if name == "steps":
        assert set(config.budget.steps.values()) == {number}
    elif name != "epochs":
        assert math.isclose(float(found), expected, rel_tol=0, abs_tol=0), (found, number)


@pytest.mark.parametrize("method", sorted(BUILT_IN))
def test_no_number_may_be_infinite_or_a_truth_value(method: str) -> None:
    """``inf`` was a learning rate, ``true`` was 1."""
    assert len(numeric(method)) >= 3
    for name in numeric(method):
        for value in ("inf", "nan", "-inf", "true", "false", "1e400"):
            words = resolved(method=method, overrides=[f"{name}={value}"])
            assert isinstance(words, str) and name in words, (name, value)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("lr=1e-3\nweight_decay=0", "is more than one line"),
        ("rank=" + "9" * 5000, "setting rank: "),
        ("rank=" + "[" * 3000, "setting rank: "),
        ("rank=10000000000000", "setting rank: 10000000000000... is more than 2,147,483,647"),
        ("variant=[]", "setting variant: "),
        ("lr_per_task={nothing=1}", "unknown task of suite mini 'nothing'"),
        ("lr_per_task={'mini-MNIST'=true}", "lr_per_task: a truth value"),
    ],
)
def test_what_was_a_traceback_or_silently_dropped(pair: str, words: str) -> None:
    found = resolved(method="keeplora", overrides=[pair])
    assert isinstance(found, str) and words in found and len(found) < 3000


def test_a_task_s_own_learning_rate_goes_by_either_name() -> None:
    """A short name was kept as it was typed, and no task has that name."""
    for name in ("MNIST", "mini-MNIST", "mnist"):
        config = resolved(method="lora", overrides=[f"lr_per_task={{{name} = 0.5}}"])
        assert isinstance(config, RunConfig) and config.recipe.lr_per_task == {"mini-MNIST": 0.5}
        assert config.recipe.lr_of("mini-MNIST") == 0.5


ORDERS = st.one_of(
    st.lists(st.sampled_from([*TASKS, *(t.removeprefix("mini-") for t in TASKS), "", " "]), max_size=6)
    .map(",".join),
    st.sampled_from(["I", "II", "III", ",", ", ,", "custom", "i"]),
    st.text(max_size=10),
)  # fmt: skip


@cases(200)
@example(",", None)
@given(ORDERS, st.one_of(st.none(), st.integers(-2, 13)))
def test_any_order_and_number_of_tasks(order: str, count: int | None) -> None:
    config = resolved(method="lora", order=order, tasks=count)
    if isinstance(config, str):
        return
    must_be_sound(config)
    if config.order == "custom":
        named = [name.strip().removeprefix("mini-") for name in order.split(",") if name.strip()]
        assert [t.removeprefix("mini-").lower() for t in config.tasks] == [
            name.lower() for name in named[:count]
        ]
    else:
        assert config.order == order and len(config.tasks) == (count or len(TASKS))


@pytest.mark.parametrize("name", ["method", "order", "suite", "backbone", "device", "precision"])
def test_an_empty_word_is_not_the_default(name: str) -> None:
    """``--method "$METHOD"`` without a METHOD ran keeplora."""
    found = resolved(**{name: ""})
    assert isinstance(found, str) and f"{name} is empty" in found


JSON_LIKE = st.recursive(
    st.one_of(NUMBERS, st.booleans(), st.text(max_size=10)),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)
FILE_KEYS = st.one_of(
    st.sampled_from([option_name(name).replace("-", "_") for name in OPTIONS]), st.text(max_size=6)
)


def in_file(content: str) -> RunConfig | str:
    """What a configuration file makes of a run, its suite and device apart."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "run.toml"
        file.write_bytes(content.encode("utf-8", "surrogatepass"))
        try:
            given = read_config_file(file)
        except UserError as error:
            return one_line(error)
    return resolved(**{**given, "suite": "mini", "device": "cpu", "data_root": None})


@cases(250)
@given(
    st.dictionaries(FILE_KEYS, JSON_LIKE, max_size=3), st.dictionaries(KEYS, JSON_LIKE, max_size=2)
)
def test_any_configuration_file(given: dict[str, Any], settings: dict[str, Any]) -> None:
    lines = [
        f"{json.dumps(key)} = {toml_value(value)}" for key, value in given.items() if key != "set"
    ]
    below = [f"{json.dumps(key)} = {toml_value(value)}" for key, value in settings.items()]
    found = in_file("\n".join([*lines, "[set]", *below]))
    if isinstance(found, RunConfig):
        must_be_sound(found)
        for name in ("seed", "method"):
            if name in given:
                assert getattr(found, name) == given[name]


@cases(150)
@example("a = " + "[" * 3000)
@example("seed = " + "9" * 5000)
@given(st.text(max_size=60))
def test_any_text_as_a_configuration_file(content: str) -> None:
    found = in_file(content)
    if isinstance(found, RunConfig):
        must_be_sound(found)
        assert found == resolved(), "nothing was said"


def test_a_configuration_file_says_what_the_options_say() -> None:
    """The properties above hold by more than errors."""
    found = in_file('method = "lora"\nseed = 3\ntasks = 2\n[set]\nlr = 0.25\nsteps = 7\n')
    assert isinstance(found, RunConfig)
    assert found == resolved(method="lora", seed=3, tasks=2, overrides=("lr=0.25", "steps=7"))
    assert (found.recipe.lr, found.seed) == (0.25, 3) and set(found.budget.steps.values()) == {7}
    assert Choices().seed == 0
