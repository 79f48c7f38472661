"""What `--json` prints can be read by a program, and has the keys that docs/json.md names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import cl_bench
from mtil_pictures import Maker, classnames
from mtil_writers import WRITERS
from rewritten_run import rewrite
from written_run import write_run

from cl_bench.benchmark.record import read_run
from cl_bench.cli.as_json import print_json
from cl_bench.datasets.mini.held_out import HELD_OUT
from cl_bench.experiment.settings import find_settings
from cl_bench.methods.catalog import BUILT_IN
from cl_bench.reports.literature.published import MEAN, means, published
from cl_bench.reports.runs.metrics import MAIN

DOCS = (Path(__file__).parents[1] / "docs" / "json.md").read_text()
SECTIONS = {
    re.findall(r"cl-bench ([a-z ]+?)[ `]*(?:[A-Z.]|--json)", section)[0]: section
    for section in DOCS.split("\n## ")[1:]
}
LISTS = ("methods", "suites", "orders", "datasets", "backbones", "licences", "settings")


def printed(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *line: str,
    code: int = 0,
) -> Any:
    """The one document on standard output; nothing is on standard error."""
    capsys.readouterr()
    assert cl_bench(monkeypatch, *line, "--json") == code
    said = capsys.readouterr()
    assert said.err == "" and "NaN" not in said.out
    return json.loads(said.out)


def documented(command: str) -> list[str]:
    """The keys of a command's first table."""
    table = SECTIONS[command].partition("| key | |\n")[2].partition("\n\n")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def named(command: str, row: str) -> list[str]:
    """The keys that stand beside a name in another table of the command's."""
    (cells,) = re.findall(rf"^\| {re.escape(row)} \| (.*) \|$", SECTIONS[command], re.MULTILINE)
    return re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", cells))


@pytest.mark.parametrize("learned", [3, 1])
def test_a_run(
    learned: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = write_run(tmp_path, learned=learned)
    said, read = printed(monkeypatch, capsys, "show", str(run)), read_run(run)
    assert list(said) == documented("show")
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
    if what == "datasets":
        kinds = {item["name"]: item["kind"] for item in said}
        assert [n for n, kind in kinds.items() if kind != "task"] == [*HELD_OUT, "mini-Captions"]
        assert kinds["mini-Captions"] == "retrieval" and kinds["mini-Signs"] == "held-out"
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


@pytest.mark.parametrize("seeds", [(0,), (0, 1, 2)])
def test_a_comparison(
    seeds: tuple[int, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sides = tmp_path / "a", tmp_path / "b"
    for seed in seeds:
        rewrite(write_run(sides[0], "best", seed), 38)
        rewrite(write_run(sides[1], "worse", seed), 20)
    said = printed(monkeypatch, capsys, "compare", *map(str, sides))
    assert list(said) == documented("compare") and list(said["metrics"]) == [*MAIN]
    for side in "ab":
        assert list(said[side]) == named("compare", "a side") and said[side]["seeds"] == [*seeds]
    for metric, of in said["metrics"].items():
        assert list(of) == named("compare", "a metric")
        assert list(of["tasks"]) == said["tasks"][1 if metric == "transfer" else 0 :]
        for task in of["tasks"].values():
            assert list(task) == named("compare", "a task of a metric")
            assert task["difference"] == pytest.approx(task["b"] - task["a"])
    last = said["metrics"]["last"]
    assert (last["a"], last["b"], last["difference"]) == pytest.approx((95.0, 50.0, -45.0))
    assert last["higher"] == "a"
    if len(seeds) == 1:
        assert (last["verdict"], last["p_both"], last["interval"]) == ("images", None, None)
    else:
        low, high = last["interval"]
        assert last["verdict"] == "higher" and low < -45.0 < high < 0.0 < last["p_both"] < 0.05
    turned = printed(monkeypatch, capsys, "compare", *map(str, reversed(sides)))["metrics"]["last"]
    assert turned["difference"] == pytest.approx(45.0) and turned["higher"] == "b"
    if turned["interval"]:
        assert turned["interval"] == pytest.approx([-end for end in reversed(last["interval"])])
    same = printed(monkeypatch, capsys, "compare", str(sides[0]), str(sides[0]))["metrics"]["last"]
    assert (same["verdict"], same["higher"], same["p_images"]) == ("alike", None, 1.0)


def test_what_is_published(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for order, setting in {(p.order, p.setting) for p in published() if p.dataset == MEAN}:
        line = ("published", "--order", order, "--setting", setting)
        said = printed(monkeypatch, capsys, *line)
        assert said and all(list(row) == documented("published") for row in said)
        assert {(row["order"], row["setting"]) for row in said} == {(order, setting)}
        rows = {(p.method, p.source): values for p, values in means(order, setting)}
        assert len(said) == len(rows)
        for row in said:
            known = rows[row["method"], row["source"]]
            metrics = (*MAIN, "zero_shot")
            assert [row[name] for name in metrics] == [known.get(name) for name in metrics]


def test_the_state_of_data_sets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    maker = Maker(classnames("DTD", 3), 3, 2, np.random.default_rng(7))
    WRITERS["DTD"](tmp_path, maker)
    line = ("data", "status", "DTD", "MNIST", "StanfordCars", "--data-root", str(tmp_path))
    said = printed(monkeypatch, capsys, *line, code=1)
    assert list(said) == ["root", "datasets"] and said["root"] == str(tmp_path)
    assert all(list(row) == documented("data status") for row in said["datasets"])
    dtd, mnist, cars = said["datasets"]
    assert (dtd["state"], dtd["train_images"], dtd["test_images"], dtd["classes"]) == (
        "wrong",
        9,
        6,
        3,
    )
    assert dtd["expected"] == {"train_images": 1880, "test_images": 1880, "classes": 47}
    assert dtd["notes"] and dtd["to_get_it"] is None
    assert mnist["state"] == "missing" and mnist["train_images"] is None
    assert mnist["to_get_it"] == "`cl-bench data prepare MNIST`"
    assert cars["to_get_it"].startswith("by hand: ")


def test_the_state_of_the_installation(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CL_BENCH_DATA", raising=False)
    said = printed(monkeypatch, capsys, "doctor")
    assert list(said) == ["well", "checks"] and said["well"] is True
    assert all(list(check) == documented("doctor") for check in said["checks"])
    for check in said["checks"]:
        assert list(check["facts"]) == named("doctor", f"`{check['check']}`")
    (speed,) = [check["facts"]["devices"] for check in said["checks"] if check["check"] == "speed"]
    assert [list(of) for of in speed] == [named("doctor", "a device")] * len(speed)
    assert speed[0]["device"] == "cpu" and speed[0]["tf32"] is None
    assert said["checks"][-1]["facts"] == {"test_images": 2320, "image_size": 32}


@pytest.mark.parametrize(
    "line",
    ["compare gone gone", "published --order IV", "data status DDT --data-root .", "list orders x"],
)
def test_mistakes_are_no_json_either(
    line: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, *line.split(), "--json") == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err.startswith("error: ") and said.err.count("\n") == 1
