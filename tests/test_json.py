"""What `--json` prints can be read by a program, and has the keys that docs/json.md names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from command_line import cl_bench
from written_run import write_run

from cl_bench.benchmark.record import read_run
from cl_bench.cli.as_json import print_json
from cl_bench.experiment.settings import find_settings
from cl_bench.methods.catalog import BUILT_IN

DOCS = (Path(__file__).parents[1] / "docs" / "json.md").read_text()
LISTS = ("methods", "suites", "orders", "datasets", "backbones", "settings")


def printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *line: str) -> Any:
    capsys.readouterr()
    assert cl_bench(monkeypatch, *line, "--json") == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("learned", [3, 1])
def test_a_run(
    learned: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = write_run(tmp_path, learned=learned)
    said, read = printed(monkeypatch, capsys, "show", str(run)), read_run(run)
    keys = re.findall(r"^\| `(\w+)` \|", DOCS.partition("## `cl-bench list")[0], re.MULTILINE)
    assert list(said) == keys
    assert said["config"] == read.config.model_dump(mode="json")
    assert said["rows"] == [list(row) for row in read.matrix.rows] and len(said["rows"]) == learned
    assert said["zero_shot"] == list(read.matrix.zero_shot)
    assert said["metrics"] == read.matrix.metrics() and said["so_far"] == read.matrix.so_far()
    assert ("last" in said["metrics"]) == (learned == 3), "no final metric of an unfinished run"
    assert said["finished"] == (learned == 3)


@pytest.mark.parametrize("what", LISTS)
def test_a_list(
    what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(monkeypatch, capsys, "list", what, *(("lora",) if what == "settings" else ()))
    (row,) = re.findall(rf"^\| `{what}` \| (.*) \|$", DOCS, re.MULTILINE)
    keys = re.findall(r"`(\w+)`", row)
    assert said and all(list(item) == keys for item in said)
    names = [item["name"] for item in said]
    if what == "methods":
        assert names == list(BUILT_IN)
    if what == "settings":
        assert names == [setting.name for setting in find_settings("lora", "mini")]
        alpha = next(item for item in said if item["name"] == "alpha")
        assert alpha["fair"] == {"value": 16.0, "source": "keeplora.toml [mini.config]"}


@pytest.mark.parametrize("table", ["recipe", "budget", "protocol"])
def test_a_table_of_settings(
    table: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = printed(monkeypatch, capsys, "list", table, "lora", "--suite", "x-tail")
    assert said and {item["table"] for item in said} == {table}
    assert all(item["paper"] is None for item in said), "x-tail trains on few images"


def test_which_backbones_run(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    by_name = {item["name"]: item for item in printed(monkeypatch, capsys, "list", "backbones")}
    assert by_name["ViT-B-16"]["runs"] and by_name["ViT-B-16"]["reason"] is None
    assert not by_name["RN50"]["runs"] and "ResNet" in by_name["RN50"]["reason"]


def test_numbers_that_json_does_not_have_are_null(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": float("nan"), "b": [float("inf"), 1.5], "c": ("ä",)})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [None, 1.5], "c": ["ä"]}


def test_a_mistake_is_no_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "show", "gone", "--json") == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ")
