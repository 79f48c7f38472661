"""A run's name and its searchable settings say what the run is, and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from written_run import write_run

from cl_bench.benchmark.config import Budget, Protocol, Recipe, RunConfig
from cl_bench.benchmark.record import read_run
from cl_bench.benchmark.records.manifest import Manifest
from cl_bench.cli.differing import differing
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.class_names import suite_of_run
from cl_bench.experiment.resolve import resolve
from cl_bench.methods.catalog import BUILT_IN, find_method
from cl_bench.reports.runs.flat_config import MOST, OF_CL_BENCH, flat_config
from cl_bench.reports.runs.run_name import LONGEST, run_name

PLUGIN = Path(__file__).parents[1] / "examples" / "methods" / "norm_tuning.py"


def named(**choices: Any) -> tuple[str, RunConfig]:
    """The name of a run, and its configuration."""
    asked = {"suite": "mini", "order": "II", "device": "cpu", **choices}
    plan = resolve(Choices.model_validate(asked))
    suite = suite_of_run(plan.config, plan.folder)
    return run_name(plan.config, differing(plan.config, suite)), plan.config


@pytest.mark.parametrize(
    ("choices", "name"),
    [
        ({}, "keeplora II seed0"),
        ({"seed": 3, "overrides": ("rank=8",)}, "keeplora II seed3 rank=8"),
        ({"overrides": ("rank=8", "rank=32")}, "keeplora II seed0 rank=32"),
        ({"overrides": ("rank=8", "rank=16")}, "keeplora II seed0"),
        (
            {"backbone": "ViT-B-32:random"},
            "keeplora II seed0 backbone=ViT-B-32 backbone_weights=random",
        ),
        ({"overrides": ("lr=0.0012345678",)}, "keeplora II seed0 lr=0.0012345678"),
        ({"overrides": ("steps=8",), "tasks": 2}, "keeplora II seed0 tasks=2 steps=8"),
        ({"method": "zscl", "preset": "paper"}, "zscl II seed0 preset=paper"),
        ({"precision": "bf16"}, "keeplora II seed0 precision=bf16"),
        ({"protocol": "x-tail"}, "keeplora II seed0 protocol=x-tail"),
        ({"order": "mini-DTD,mini-Food"}, "keeplora DTD,Food seed0"),
        ({"plugin": PLUGIN, "method": "norm-tuning", "overrides": ("lr=0.5",)},
         "norm-tuning II seed0 lr=0.5"),
    ],
)  # fmt: skip
def test_the_name_holds_what_is_not_as_usual(choices: dict[str, Any], name: str) -> None:
    assert named(**choices)[0] == name


@pytest.mark.parametrize("method", ["keeplora", "lora", "zscl", "moe-adapters"])
def test_a_value_that_was_typed_but_is_the_usual_one_is_not_in_the_name(method: str) -> None:
    """It is the same run, so on W&B it must have the same name."""
    plain, config = named(method=method)
    usual = {k: v for k, v in config.method_settings.items() if isinstance(v, int | str)}
    typed = tuple(f"{k}={str(v).lower()}" for k, v in usual.items())
    again, same = named(method=method, overrides=(*typed, f"lr={config.recipe.lr}"))
    assert same.digest() == config.digest() and again == plain == f"{method} II seed0"


def test_few_images_are_in_the_name_with_what_follows_from_nothing_else() -> None:
    assert named(shots=4)[0] == "keeplora II seed0 shots=4"


def test_a_rate_of_single_tasks_that_was_taken_away_is_in_the_name() -> None:
    """Typed, the usual rate is that of every task: another run than the published one."""
    plain, published = named(method="zscl", preset="paper")
    assert published.recipe.lr_per_task
    name, config = named(method="zscl", preset="paper", overrides=(f"lr={published.recipe.lr}",))
    assert config.digest() != published.digest() and name == f"{plain} lr_per_task=none"


def test_the_settings_of_a_run_whose_suite_is_gone_are_its_own(tmp_path: Path) -> None:
    """Two values were typed: the run's is the one that it has."""
    choices = {"method": "lora", "overrides": ["rank=8", "rank=4", "nothing=1"]}
    config = read_run(write_run(tmp_path, choices=choices)).config
    assert differing(config, None) == {"rank": 4}
    assert run_name(config, {"rank": 4}) == "lora I seed0 rank=4"


def test_long_names_stay_apart_and_hold_no_half_setting() -> None:
    many = {f"a_setting_with_a_long_name_{i}": i for i in range(9)}
    names = set()
    for seed in (0, 1):
        _, config = named(seed=seed)
        name = run_name(config, many)
        assert len(name) <= LONGEST and name.endswith(config.digest())
        words = name.split()[3:-2]
        assert words and all(word in {f"{k}={v}" for k, v in many.items()} for word in words)
        names.add(name)
    assert len(names) == 2


def settings_of(**fields: Any) -> dict[str, Any]:
    config = {
        "suite": {"name": "s", "about": "s", "digest": "d"},
        "backbone": {"name": "b", "weights": "random"},
        "protocol": Protocol(),
        "order": "I",
        "tasks": ("a", "b"),
        "method": "m",
        "method_settings": {},
        "recipe": Recipe(),
        "budget": Budget(batch_size=4, steps={"a": 5, "b": 5}),
        "seed": 0,
        "device": "cpu",
    }
    return flat_config(RunConfig(**(config | fields)), Manifest())


def test_every_setting_is_there_under_its_own_name() -> None:
    _, config = named(method="keeplora", overrides=("rank=8",))
    flat = flat_config(config, Manifest())
    for table in (config.method_settings, config.protocol.model_dump()):
        assert table.items() <= flat.items()
    assert flat["rank"] == 8 and flat["lr"] == config.recipe.lr and flat["shots"] is None
    assert flat["batch_size"] == config.budget.batch_size and flat["protocol"] == "mtil"
    wanted = (
        "method order suite seed preset backbone precision suite_digest comparison_key code_commit"
    )
    assert set(wanted.split()) <= flat.keys() and flat["run_digest"] == config.digest()


def test_two_settings_of_one_name_are_two_keys() -> None:
    own = {"lr": 9.0, "seed": 8, "order": "x", "grad_clip": None, "mine": 1}
    flat = settings_of(method_settings=own)
    assert (flat["lr"], flat["seed"], flat["order"], flat["mine"]) == (1e-3, 0, "I", 1)
    assert {f"method/{name}" for name in own if name != "mine"} <= flat.keys()
    assert flat["method/lr"] == 9.0 and "method/mine" not in flat


def test_a_long_table_is_one_value_that_tells_tables_apart() -> None:
    tasks = tuple(f"t{i}" for i in range(1000))
    budgets = [
        Budget(batch_size=4, steps={t: 5 + i + more for i, t in enumerate(tasks)})
        for more in (0, 1)
    ]
    first, second = (settings_of(tasks=tasks, budget=b) for b in budgets)
    for flat in (first, second):
        assert len(flat) < 60 and all(len(str(value)) < 200 for value in flat.values())
    assert str(first["steps"]).startswith("1000 entries") and first["steps"] != second["steps"]
    few = settings_of(budget=Budget(batch_size=4, steps={"a": 5, "b": 6}))
    assert (few["steps/a"], few["steps/b"], few["steps_total"]) == (5, 6, 11)
    assert len(tasks) > MOST and settings_of()["steps"] == 5 and settings_of()["tasks"] == "a,b"


def test_names_of_built_in_settings_need_no_prefix() -> None:
    for method in BUILT_IN:
        assert not {*find_method(method).Config.model_fields} & {*settings_of(), *OF_CL_BENCH}
