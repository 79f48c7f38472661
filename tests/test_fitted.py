"""Settings fitted per task: counted from the settings, recorded, and beside each row."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from written_run import write_run

from cl_bench.benchmark.method_config import MethodConfig
from cl_bench.benchmark.record import read_run
from cl_bench.datasets.catalog import find_suite
from cl_bench.experiment.choices import Choices, parse_overrides
from cl_bench.experiment.fitted import fitted_per_task
from cl_bench.experiment.merge import merge
from cl_bench.methods.catalog import find_method
from cl_bench.reports.report import write_report
from cl_bench.reports.runs.group import group
from cl_bench.reports.tables.fitted import fitted_cell


def fitted(
    method: str, order: str = "II", tasks: int = 11, suite: str = "mtil", *typed: str, **chosen: Any
) -> dict[str, int]:
    where = find_suite(suite)
    names = where.order(order)[1][:tasks]
    choices = Choices.model_validate({"preset": "paper", **chosen})
    said = merge(choices, parse_overrides(typed), find_method(method), where)
    return fitted_per_task(said, where, order, [task.name for task in names])


@pytest.mark.parametrize(
    ("method", "order", "tasks", "expected"),
    [
        ("keeplora", "I", 11, {"epochs": 1}),
        ("keeplora", "II", 11, {"epochs": 6}),
        ("keeplora", "II", 3, {"epochs": 3}),  # of the tasks that are learned alone
        ("keeplora", "I", 3, {}),
        ("keeplora+", "II", 11, {"epochs": 2}),
        ("zscl", "II", 11, {"lr": 2}),
        ("moe-adapters", "II", 11, {"lr": 4}),
        ("condu-lora", "I", 11, {"lr": 11}),  # one of which equals the rate of the others
        ("lada", "II", 11, {"epochs": 8}),
        ("codyra", "II", 11, {}),
        ("rail", "II", 11, {}),
        ("diki", "II", 11, {}),
    ],
)
def test_published_settings_hold_so_many(
    method: str, order: str, tasks: int, expected: dict[str, int]
) -> None:
    assert fitted(method, order, tasks) == expected


def test_what_counts_is_what_the_run_takes() -> None:
    assert fitted("lada", preset="fair") == fitted("condu-lora", preset="fair") == {}
    assert fitted("lada", "II", 11, "mtil", "steps=5") == {}, "in the place of epochs"
    assert fitted("zscl", "II", 11, "mtil", "lr=1e-4") == {}, "one rate for all"
    assert fitted("zscl", "II", 11, "mtil", "lr_per_task={Food = 1e-4}", preset="fair") == {"lr": 1}
    assert fitted("zscl", "II", 11, "mini") == {"lr": 2}, "another suite's tasks of that name"


class OwnTables(MethodConfig):
    """A method's settings with a threshold for each data set."""

    threshold: dict[str, float]
    other: dict[str, str]


def test_a_methods_own_tables_count() -> None:
    mtil = find_suite("mtil")
    said = merge(Choices(preset="paper"), {}, find_method("zero-shot"), mtil)
    own = OwnTables(threshold={"Food": 0.1, "MNIST": 0.2, "no task": 0.3}, other={"a": "b"})
    found = fitted_per_task(replace(said, method=own), mtil, "I", ["Food", "MNIST", "DTD"])
    assert found == {"threshold": 2}


def test_it_stands_beside_each_row(tmp_path: Path) -> None:
    write_run(tmp_path / "runs", "keeplora", 0, fitted_per_task={"epochs": 6, "lr": 2})
    write_run(tmp_path / "runs", "lora", 0, fitted_per_task={})
    write_run(tmp_path / "runs", "zscl", 0)
    write_report([tmp_path / "runs"], tmp_path / "out")
    header, _, *rows = [
        [cell.strip() for cell in line.strip("|").split(" | ")]
        for line in (tmp_path / "out" / "table.md").read_text().splitlines()
        if line.startswith("|")
    ]
    column = header.index("Fitted per task")
    found = {row[0]: row[column] for row in rows}
    assert found == {"zero-shot": "-", "keeplora": "8", "lora": "0", "zscl": "-"}
    sheet = csv.DictReader(io.StringIO((tmp_path / "out" / "table.csv").read_text()))
    assert {x["method"]: x["fitted_per_task"] for x in sheet} == {
        "keeplora": "8", "lora": "0", "zscl": "",
    }  # fmt: skip
    for name in ("table.md", "table.tex", "report.html"):
        text = " ".join((tmp_path / "out" / name).read_text().split())
        assert "keeplora: settings fitted per task: epochs of 6 and lr of 2 of" in text, name


def test_seeds_of_before_and_after_share_a_row_of_which_it_is_not_known(tmp_path: Path) -> None:
    paths = [
        write_run(tmp_path, "keeplora", 0, fitted_per_task={"epochs": 6}),
        write_run(tmp_path, "keeplora", 1),
    ]
    (found,) = group(map(read_run, paths))
    (row,) = found.rows
    assert len(row.runs) == 2 and fitted_cell(row).text == "-"
