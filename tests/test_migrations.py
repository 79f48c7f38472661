"""Records of older versions are read as they are; newer ones are refused in one line.

``runs-of-version-1`` holds a run as the code of 21 November 2026 (35427fd) wrote it: its configuration counts
epochs, and knows neither presets nor optimizers. Checkpoint and picture are left out.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from changed_records import FINISHED, KILLED, copied
from command_line import cl_bench
from written_run import write_run

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import read_config, read_run
from cl_bench.benchmark.records.claims import PROOFS, judged
from cl_bench.benchmark.records.migrations import NEWEST, STEPS, migrated, recorded_digest
from cl_bench.reports.runs.group import group

OLD = Path(__file__).parent / "data" / "runs-of-version-1" / "seed0-514d379e3d87"
Change = Callable[[dict[str, Any]], object]


def changed(run: Path, name: str, change: Change) -> Path:
    """The run with one of its JSON files changed."""
    content = json.loads((run / name).read_text())
    change(content)
    (run / name).write_text(json.dumps(content))
    return run


def test_there_is_a_step_from_every_version_to_the_next() -> None:
    assert set(STEPS) == set(range(1, NEWEST))


def test_a_run_of_version_1_says_what_it_did() -> None:
    """One epoch of 600 and of 720 images in batches of 32, by the same rules for all methods."""
    config = read_config(OLD)
    assert config.schema_version == NEWEST == 2
    assert config.budget.batch_size == 32
    assert config.budget.steps == {"mini-Aircraft": 19, "mini-Caltech101": 23}
    assert (config.recipe.optimizer, config.recipe.lr, config.recipe.schedule) == (
        "adamw", 1e-3, "onecycle",
    )  # fmt: skip
    assert (config.preset, config.protocol.augment, config.protocol.labels) == (
        "fair",
        "none",
        "own",
    )
    assert config.fitted_per_task is None and config.departures == ()
    run = read_run(OLD)
    assert run.finished and run.matrix.rows[-1] == (69.5, 86.25)
    assert run.matrix.metrics()["forward_transfer"] == pytest.approx(81.25 - 245 / 3)


def test_nothing_on_the_disk_is_changed_by_reading(tmp_path: Path) -> None:
    run = copied(OLD, tmp_path)
    before = {f: f.read_bytes() for f in sorted(run.rglob("*")) if f.is_file()}
    read_run(run)
    assert {f: f.read_bytes() for f in sorted(run.rglob("*")) if f.is_file()} == before


def test_its_own_digest_is_the_one_that_its_log_and_its_name_say() -> None:
    run = read_run(OLD)
    assert recorded_digest(OLD, run.config) == "514d379e3d87" != run.config.digest()
    assert judged("config", PROOFS["config"], run).verdict == "proven"
    false = [name for name, prove in PROOFS.items() if judged(name, prove, run).verdict == "false"]
    assert false == ["checkpoint"], "it is left out of the test's data"


def test_it_is_shown_and_reported_and_ranked_with_no_newer_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cl_bench(monkeypatch, "show", str(OLD)) == 0
    assert "Transfer 81.25" in capsys.readouterr().out
    runs = tmp_path / "runs"
    shutil.copytree(OLD, runs / OLD.name)
    write_run(runs, "lora")
    assert len(group([read_run(path) for path in sorted(runs.iterdir())])) == 2
    assert cl_bench(monkeypatch, "report", str(runs), "--out", str(tmp_path / "out")) == 0
    table = (tmp_path / "out" / "table.md").read_text()
    assert "| lora | 1 | 81.2 | 76.4 | 77.9 |" in table and "Left out" not in table


def test_it_is_not_continued_as_another_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = changed(copied(OLD, tmp_path), "manifest.json", lambda m: m.update(status="running"))
    assert cl_bench(monkeypatch, "resume", str(run)) == 2
    said = capsys.readouterr().err
    assert "cannot be continued" in said and said.strip().count("\n") == 0


def test_a_task_whose_steps_no_log_holds_is_refused(tmp_path: Path) -> None:
    run = copied(OLD, tmp_path)
    lines = (run / "events.jsonl").read_text().splitlines(keepends=True)
    (run / "events.jsonl").write_text("".join(x for x in lines if '"task": "mini-Cal' not in x))
    with pytest.raises(UserError) as refused:
        read_config(run)
    said = str(refused.value)
    assert (
        f"{run / 'config.json'} is of version 1" in said and "no steps of mini-Caltech101" in said
    )
    assert "read the run with the cl-bench that made it" in said and "\n" not in said
    (run / "events.jsonl").unlink()
    with pytest.raises(UserError, match=r"events\.jsonl cannot be read"):
        read_config(run)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c.pop("budget"), "no configuration of version 1"),
        (lambda c: c.update(budget=[1]), "no configuration of version 1"),
        (lambda c: c["budget"].update(epochs=3), "no configuration of version 1"),
        (lambda c: c.update(steps=3), "steps: Extra inputs"),
        (lambda c: c.update(schema_version=0), "schema_version"),
        (lambda c: c.update(schema_version="1"), "schema_version"),
        (lambda c: c.update(schema_version=None), "schema_version"),
        (lambda c: c.update(schema_version=True), "schema_version"),
        (lambda c: c.update(schema_version=[1]), "schema_version"),
    ],
)
def test_a_damaged_one_is_named(change: Change, words: str, tmp_path: Path) -> None:
    run = changed(copied(OLD, tmp_path), "config.json", change)
    with pytest.raises(UserError) as refused:
        read_config(run)
    assert str(run / "config.json") in str(refused.value) and words in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "field", "version"),
    [
        ("config.json", "schema_version", NEWEST + 1),
        ("manifest.json", "schema_version", 3),
        ("ledger.json", "version", 2),
    ],
)
def test_a_newer_version_is_refused_in_one_line(
    name: str, field: str, version: int, tmp_path: Path
) -> None:
    """Whatever else such a file holds: its fields may mean something else."""
    run = write_run(tmp_path, "lora", sealed=name == "ledger.json")

    def newer(content: dict[str, Any]) -> None:
        content.clear()
        content.update({field: version, "shoes": 2})

    changed(run, name, newer)
    with pytest.raises(UserError) as refused:
        read_run(run)
    assert str(refused.value) == (
        f"{run / name} is of version {version}, and this cl-bench reads versions up to {version - 1}: use "
        "the cl-bench that made the run, or a newer one"
    )


def test_a_manifest_that_names_a_newer_ledger_says_so(tmp_path: Path) -> None:
    run = changed(
        write_run(tmp_path, "lora", sealed=False), "manifest.json", lambda m: m.update(ledger=2)
    )
    with pytest.raises(
        UserError, match=r"ledger.json is of version 2, and this cl-bench reads versions up to 1"
    ):
        read_run(run)


@pytest.mark.parametrize("path", [FINISHED, KILLED], ids=["finished", "killed"])
def test_records_of_this_version_that_lack_later_fields_are_as_before(path: Path) -> None:
    """Version 2 of 26 November: what came later has its value for what runs did before."""
    content = json.loads((path / "config.json").read_text())
    assert content == migrated(path)
    lacking = type(read_config(path)).model_fields.keys() - content.keys()
    assert {"held_out", "training_images", "passes", "departures", "fitted_per_task"} <= lacking
    assert recorded_digest(path, read_config(path)) == path.name.rpartition("-")[2]
