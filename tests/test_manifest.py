"""A manifest has types: one that is not in its form is named with its field, and older ones are read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from changed_records import FINISHED, KILLED, copied, with_manifest
from command_line import cl_bench

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.manifest import (
    MANIFEST_VERSION,
    Manifest,
    read_manifest,
    write_manifest,
)
from cl_bench.reports.terminal.why import why

MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "sessions that are none": (lambda m: m.update(sessions=3), "sessions: "),
    "a session in words": (lambda m: m.update(sessions=["?"]), r"sessions\.0: "),
    "no commit": (lambda m: m["sessions"][0]["git"].pop("commit"), r"sessions\.0\.git\.commit: Field"),
    "dirty in words": (lambda m: m["sessions"][0]["git"].update(dirty="no"), r"git\.dirty: "),
    "a command in one word": (lambda m: m["sessions"][0].update(command="cl-bench"), r"command: "),
    "half the cores": (lambda m: m["sessions"][0]["hardware"].update(cores=1.5), r"hardware\.cores"),
    "a status of its own": (lambda m: m.update(status="done"), "status: "),
    "no status": (lambda m: m.update(status=["?"]), "status: "),
    "a lone fingerprint": (lambda m: m["data"].update({"mini-Food": ["ab"]}), r"data\.mini-Food"),
    "remarks in one word": (lambda m: m.update(remarks="none"), "remarks: "),
    "images left out": (lambda m: m.update(left_out=["a.png"]), "left_out: "),
    "another field": (lambda m: m.update(shoes=1), "shoes: Extra inputs"),
    "a ledger in words": (lambda m: m.update(ledger="one"), "ledger: "),
    "half a letter": (lambda m: m.update(reason="\ud800"), "not in its form"),
    "a newer manifest": (
        lambda m: m.update(schema_version=MANIFEST_VERSION + 1, shoes=1),
        f"is of version {MANIFEST_VERSION + 1}, and this cl-bench reads",
    ),
}  # fmt: skip


@pytest.mark.parametrize("run", [FINISHED, KILLED], ids=["finished", "killed"])
@pytest.mark.parametrize("name", MANIFESTS)
def test_a_manifest_that_is_not_in_its_form_is_named(
    name: str, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    change, words = MANIFESTS[name]
    path = with_manifest(copied(run, tmp_path), change)
    with pytest.raises(UserError, match=words) as said:
        read_manifest(path)
    assert "manifest.json" in str(said.value) and "\n" not in str(said.value)
    for command in ("show", "verify"):
        assert cl_bench(monkeypatch, command, str(path)) in (1, 2)
        shown = capsys.readouterr()
        assert "manifest.json" in shown.out + shown.err and "Traceback" not in shown.err


def test_a_manifest_comes_back_as_it_was_and_says_its_version(tmp_path: Path) -> None:
    manifest = read_manifest(FINISHED)
    assert manifest.schema_version == 1 and len(manifest.sessions) == 2
    assert manifest.sessions[1].command[:2] == ("cl-bench", "resume")
    assert manifest.data["mini-Food"].test.startswith("3604fdac")
    write_manifest(tmp_path, manifest)
    again = read_manifest(tmp_path)
    assert (manifest.stands, Manifest().stands) == ("finished", "not known")
    assert again == manifest.model_copy(update={"schema_version": MANIFEST_VERSION})


def test_why_names_what_differs_between_two_manifests(tmp_path: Path) -> None:
    def change(manifest: dict[str, Any]) -> None:
        last = manifest["sessions"][-1]
        last["packages"]["torch"] = None
        last["hardware"] |= {"threads": 8, "gpu": "a GPU"}
        last["git"] = None
        manifest["data"]["mini-Food"][1] = "ab" * 32
        manifest["remarks"] = ["two images are alike"]
        manifest["left_out"] = {"mini-Food": ["a.png"]}

    path = with_manifest(copied(FINISHED, tmp_path), change)
    _, table = why(FINISHED, path).renderables
    cells = [[str(cell) for cell in column.cells] for column in table.columns]
    found = {what: [a[:12], b[:12]] for _, what, a, b in zip(*cells, strict=True)}
    assert found == {
        "mini-Food, test": ["3604fdacc00a", "abababababab"],
        "git": ["(absent)", "null"],
        "git.commit": ["5138dba35845", "(absent)"],
        "git.dirty": ["false", "(absent)"],
        "torch": ["2.15.0", "null"],
        "threads": ["1", "8"],
        "gpu": ["(absent)", "a GPU"],
        "remarks": ["(absent)", '["two images'],
        "left out.mini-Food": ["(absent)", '["a.png"]'],
    }


def test_the_digest_of_an_older_manifest_is_over_what_stands_in_it(tmp_path: Path) -> None:
    path = copied(KILLED, tmp_path)
    assert read_manifest(path).schema_version == 1  # the digest of that day fits
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text.replace('"cores": 2', '"cores": 4'))
    with pytest.raises(UserError, match="its content is not what its own digest says"):
        read_manifest(path)


def test_of_a_manifest_from_before_ledgers_what_is_in_its_form_is_known(tmp_path: Path) -> None:
    odd = {"status": "finished", "sessions": "none", "remarks": ["found"], "shoes": 1}
    (tmp_path / "manifest.json").write_text(json.dumps(odd))
    assert read_manifest(tmp_path) == Manifest(status="finished", remarks=("found",))
    (tmp_path / "ledger.json").write_text("{}")  # such a run is no run from before ledgers
    with pytest.raises(UserError, match="not in its form"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("depth", [100, 300, 500, 700, 900, 980, 2_000, 100_000])
def test_a_manifest_nested_too_deep_is_one_line(depth: int, tmp_path: Path) -> None:
    nested = "[" * depth + "]" * depth
    (tmp_path / "manifest.json").write_text(f'{{"ledger": 1, "status": "finished", "x": {nested}}}')
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        read_manifest(tmp_path)
