"""docs/licences.md and `cl-bench list licences`: everything is named, and nothing is said that was not read."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest
from command_line import cl_bench

from cl_bench.cli.inspect import known_licences
from cl_bench.datasets.catalog import find_suite
from cl_bench.methods.catalog import BUILT_IN
from cl_bench.reports.literature.licences import FILE, NOT_READ, UNKNOWN, licences

DOCS = Path(__file__).parents[1] / "docs"


def test_every_data_set_and_every_method_is_there_once() -> None:
    found = [(x.kind, x.name) for x in known_licences()]
    data_sets = ["mini", *(task.name for task in find_suite("mtil").tasks)]
    expected = [*(("data set", n) for n in data_sets), *(("code", n) for n in BUILT_IN)]
    assert found == expected
    assert all(x.of != UNKNOWN for x in known_licences()), "which code a method follows is known"


def test_a_licence_is_named_only_where_it_was_read() -> None:
    for known in known_licences():
        assert known.licence == UNKNOWN or known.read != NOT_READ, known
        assert known.licence and known.read and "|" not in known.licence + known.read + known.of
    (sun,) = licences(("SUN397",), ())
    assert (sun.licence, sun.read) == (UNKNOWN, NOT_READ)
    (stranger,) = licences((), ("a plug-in",))
    assert (stranger.of, stranger.licence, stranger.read) == (UNKNOWN, UNKNOWN, NOT_READ)


def test_the_file_names_nothing_that_is_not_there() -> None:
    content = tomllib.loads(FILE.read_text(encoding="utf-8"))
    assert content["data"].keys() <= {"mini", *(task.name for task in find_suite("mtil").tasks)}
    methods = [m for of in content["code"].values() for m in of["methods"]]
    assert len(methods) == len(set(methods)) and set(methods) == set(BUILT_IN)
    for of, said in content["code"].items():
        commits = re.findall(r"\b[0-9a-f]{7}\b", said.get("read", ""))
        assert "licence" not in said or commits or of == "-", "a licence is read at a commit"


def test_repositories_are_those_that_the_pages_of_methods_name() -> None:
    for known in known_licences():
        page = DOCS / "methods" / f"{known.name}.md"
        named = (
            re.search(r"Published\s+code(?: followed)?: ([\w.-]+/[\w.-]+)", page.read_text())
            if page.exists()
            else None
        )
        if known.kind == "code" and named:
            assert named[1].rstrip(".,") == known.of, known.name


def test_the_page_has_the_table(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    table = runpy.run_path(str(DOCS / "write_licences.py"))["table"]()
    assert (DOCS / "licences.md").read_text(encoding="utf-8").endswith(f"\n\n{table}")
    assert cl_bench(monkeypatch, "list", "licences") == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert "SUN397 unknown" in shown and "tri2911/LADA" in shown
