"""The axes of a study: each by its documented option, in the digest, and by name wherever results are.

What would be wrong without a word: two runs that answer different questions under one digest, in one table, or
under headings that say the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from written_run import write_run

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.record import read_run
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve
from cl_bench.reports.plots.style import group_title
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.flat_config import comparison_hash, flat_config
from cl_bench.reports.runs.group import Group

EXAMPLES = Path(__file__).parents[1] / "examples" / "suites"
AXES: dict[str, tuple[dict[str, Any], str]] = {  # what is asked for, and what a heading says of it
    "held-out data": ({"held_out": "Signs"}, "held out: mini-Signs"),
    "retrieval": ({"retrieval": "all"}, "retrieval: mini-Captions"),
    "an order": ({"order": "random-3"}, "order random-3"),
    "rare classes": ({"imbalance": 10}, "classes imbalanced 10 : 1"),
    "rare tasks": ({"task_imbalance": 100}, "tasks imbalanced 100 : 1"),
    "length": ({"suite": "mini-long", "tasks": 22}, "22 tasks"),
    "classes seen": ({"protocol": "seen"}, "over the classes of all tasks learned so far"),
    "all classes": ({"protocol": "x-tail"}, "over the classes of all tasks (X-TAIL)"),
    "classes in parts": ({"suite": str(EXAMPLES / "class_incremental.toml")}, "in six parts"),
    "other styles": ({"suite": str(EXAMPLES / "styles.toml")}, "five styles"),
    "clients": ({"clients": 4, "rounds": 10}, "4 clients of Dirichlet 1, averaged 10 times a task"),
    "unlike clients": (
        {"clients": 4, "rounds": 10, "client_alpha": 0.1},
        "4 clients of Dirichlet 0.1, averaged 10 times a task",
    ),
}


def config_of(**asked: Any) -> RunConfig:
    return resolve(Choices(**{"suite": "mini", "method": "lora", "device": "cpu", **asked})).config


@pytest.fixture(scope="module")
def configs() -> dict[str, RunConfig]:
    return {"none": config_of()} | {axis: config_of(**asked) for axis, (asked, _) in AXES.items()}


def test_every_axis_is_another_question(configs: dict[str, RunConfig]) -> None:
    for told in (RunConfig.digest, RunConfig.comparison_key, comparison_hash):
        assert len({told(config) for config in configs.values()}) == len(configs), told.__name__


@pytest.mark.parametrize("axis", AXES)
def test_it_stands_above_tables(axis: str, configs: dict[str, RunConfig]) -> None:
    compared = Group(configs[axis], (), ())
    assert AXES[axis][1] in f"{compared.title}; {compared.details}"
    assert AXES[axis][1] in " ".join(group_title("what", compared)), "above pictures, too"
    usual = Group(configs["none"], (), ())
    assert AXES[axis][1] not in f"{usual.title}; {usual.details}"


def test_the_heading_is_in_every_table_and_on_the_page(
    configs: dict[str, RunConfig], tmp_path: Path
) -> None:
    config = configs["unlike clients"]
    names = ("suite", "protocol", "order", "backbone", "budget")
    fields = {name: getattr(config, name) for name in names}
    path = write_run(tmp_path / "runs", tasks=config.tasks, **fields)
    write_report([path], tmp_path / "report", "screen")
    words = AXES["unlike clients"][1]
    for file in (
        "table.md",
        "per_task.md",
        "differences.md",
        "cost.md",
        "table.tex",
        "report.html",
    ):
        assert words in (tmp_path / "report" / file).read_text(), file


def test_it_is_a_column_of_dashboards(configs: dict[str, RunConfig], tmp_path: Path) -> None:
    manifest = read_run(write_run(tmp_path)).manifest
    plain = flat_config(configs["none"], manifest)
    for axis, config in configs.items():
        flat = flat_config(config, manifest)
        differs = {key for key in flat if flat[key] != plain.get(key)} - {
            "suite_digest", "run_digest", "comparison_key",
        }  # fmt: skip
        assert differs or axis == "none", axis
