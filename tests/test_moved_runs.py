"""A run, its data and its suite file are moved together, or apart: it goes on, or says what it lacks."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from command_line import cl_bench
from PIL import Image

from cl_bench.benchmark.config import Backbone
from cl_bench.benchmark.record import RunFolder, read_run
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.events import Event, Learned
from cl_bench.cli import execute
from cl_bench.cli.dashboards import Dashboards
from cl_bench.datasets.own.suite_file import read_suite
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import resolve
from cl_bench.reports.runs.command import reproduce

SUITE = """
name = "boxes"
about = "coloured boxes"
root = "data"
backbone = "tiny-clip"
steps = 1
[[tasks]]
name = "one"
images = "one"
[[tasks]]
name = "two"
images = "two"
"""
PLUGIN = (Path(__file__).parents[1] / "examples" / "methods" / "norm_tuning.py").read_text()


def lay_out(folder: Path) -> Path:
    """A suite file, its images and a plug-in in ``folder``."""
    draw = np.random.default_rng(0)
    for task in ("one", "two"):
        for name in ("green", "red"):
            (folder / "data" / task / name).mkdir(parents=True)
            for i in range(5):
                pixels = draw.integers(0, 255, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / "data" / task / name / f"{i}.png")
    (folder / "boxes.toml").write_text(SUITE)
    (folder / "norm_tuning.py").write_text(PLUGIN)
    return folder


class KilledError(Exception):
    """Stands for the kill of a process."""


def begun(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Start a run with paths as seen from ``folder``, kill it after its first task."""
    log = RunFolder.log

    def killing(self: RunFolder, event: Event) -> Event:
        if isinstance(event, Learned) and event.learned == 2:
            raise KilledError
        return log(self, event)

    monkeypatch.chdir(folder)
    choices = Choices(
        suite="boxes.toml", method="norm-tuning", plugin=Path("norm_tuning.py"), device="cpu"
    )
    with monkeypatch.context() as patched:
        patched.setattr(RunFolder, "log", killing)
        with pytest.raises(KilledError):
            execute.run_command(choices, [0], Path("runs"), False, Dashboards())
    (config,) = (folder / "runs").rglob("config.json")
    return config.parent


def resume(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *more: str
) -> str:
    """Resume from a folder that has to do with nothing; returns what was said."""
    (run.parents[3] / "elsewhere").mkdir(exist_ok=True)
    monkeypatch.chdir(run.parents[3] / "elsewhere")
    code = cl_bench(monkeypatch, "resume", str(run), *more)
    said = capsys.readouterr()
    assert code == (2 if said.err else 0), said.err
    return said.err


@pytest.fixture
def moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A begun run that was moved with all that it needs, from ``before`` to ``after``."""
    run = begun(lay_out(tmp_path / "before"), monkeypatch)
    monkeypatch.chdir(tmp_path)
    shutil.move(tmp_path / "before", tmp_path / "after")
    return tmp_path / "after" / run.relative_to(tmp_path / "before")


def test_moved_together_it_goes_on_from_anywhere(
    moved: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert resume(moved, monkeypatch, capsys) == ""
    assert read_run(moved).finished and check_run(moved) == []


def test_the_record_alone_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = begun(lay_out(tmp_path / "before"), monkeypatch)
    there = tmp_path / "a" / "b" / "c" / "d" / run.name
    there.parent.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    shutil.move(run, there)
    assert resume(there, monkeypatch, capsys) == ""
    assert read_run(there).finished


def test_the_run_stays_with_another_suite_file_in_the_old_relative_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What lies in the first place and is not what the run began with is passed over."""
    run = begun(lay_out(tmp_path / "before"), monkeypatch)
    shutil.copytree(tmp_path / "before", tmp_path / "after")
    other = tmp_path / "after" / "boxes.toml"
    other.write_text(SUITE.replace('name = "two"', 'name = "three"'))
    copy = tmp_path / "after" / run.relative_to(tmp_path / "before")
    assert resume(copy, monkeypatch, capsys) == ""
    assert read_run(copy).finished


GONE: dict[str, tuple[Callable[[Path], None], str]] = {
    "suite file": (lambda folder: (folder / "boxes.toml").rename(folder / "b.toml"), "--suite PATH"),
    "plug-in": (lambda folder: (folder / "norm_tuning.py").rename(folder / "n.py"), "--plugin PATH"),
}  # fmt: skip


@pytest.mark.parametrize("name", GONE)
def test_what_is_gone_is_one_line_with_both_places_and_the_option(
    name: str, moved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    change, option = GONE[name]
    change(tmp_path / "after")
    error = resume(moved, monkeypatch, capsys)
    assert len(error.strip().splitlines()) == 1 and option in error
    for place in ("before", "after"):
        assert re.search(rf"{tmp_path / place}/(boxes.toml|norm_tuning.py)", error), error
    file = {"suite file": ("--suite", "b.toml"), "plug-in": ("--plugin", "n.py")}[name]
    assert resume(moved, monkeypatch, capsys, file[0], str(tmp_path / "after" / file[1])) == ""
    assert read_run(moved).finished


def test_other_data_in_the_place_of_the_old_is_refused(
    moved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / "after" / "data" / "one" / "red" / "4.png").unlink()
    assert "would not be what it began with" in resume(moved, monkeypatch, capsys)


def test_another_plug_in_in_the_place_of_the_old_is_refused(
    moved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    with (tmp_path / "after" / "norm_tuning.py").open("a") as file:
        file.write("\n# changed\n")
    words = resume(moved, monkeypatch, capsys)
    assert "its plugin '" in words and "would not be what it began with" in words


def test_an_option_that_the_run_has_no_use_for_is_named(
    moved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    error = resume(moved, monkeypatch, capsys, "--data-root", str(tmp_path))
    assert "--data-root PATH was not given when the run began" in error


def test_a_record_with_a_bare_path_goes_on_where_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = lay_out(tmp_path / "before")
    run = begun(folder, monkeypatch)
    config = json.loads((run / "config.json").read_text())
    del config["choices"]["relative"]
    config["choices"] |= {"suite": "boxes.toml", "plugin": "norm_tuning.py"}
    config["plugin"] = None
    (run / "config.json").write_text(json.dumps(config))
    before_ledgers(run)
    error = resume(run, monkeypatch, capsys)
    assert "resume in the folder where the run was started" in error
    monkeypatch.chdir(folder)
    assert cl_bench(monkeypatch, "resume", str(run)) == 0
    assert read_run(run).finished


def before_ledgers(run: Path) -> None:
    """Make a begun run what it was before ledgers."""
    manifest = json.loads((run / "manifest.json").read_text())
    for key in ("ledger", "sha256", "digest", "schema_version"):
        del manifest[key]
    (run / "manifest.json").write_text(json.dumps(manifest))
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    later = ("crc32", "sha256", "schema_version")
    kept = [{k: v for k, v in line.items() if k not in later} for line in lines]
    (run / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in kept))


def test_the_command_that_repeats_a_run_names_places_that_are_there(moved: Path) -> None:
    command = reproduce(read_run(moved))
    assert "--suite /" in command and "relative" not in command


def test_weights_are_the_same_wherever_their_file_lies(tmp_path: Path) -> None:
    here, there = (
        Backbone(name="ViT-B-32", weights=str(tmp_path / name), sha256="a" * 64)
        for name in ("a.pt", "b.pt")
    )
    config = resolve(Choices(suite="mini", method="zero-shot", device="cpu")).config
    digests = {config.model_copy(update={"backbone": b}).digest() for b in (here, there)}
    assert len(digests) == 1 and config.digest() not in digests
    other = here.model_copy(update={"sha256": "b" * 64})
    assert config.model_copy(update={"backbone": other}).digest() not in digests
    assert config.suite.digest == "a915927e7b87"


def test_weights_of_a_suite_file_may_lie_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = lay_out(tmp_path / "suite")
    torch.save({}, folder / "weights.pt")
    text = SUITE.replace("tiny-clip", "ViT-B-32-quickgelu:weights.pt")
    (folder / "boxes.toml").write_text(text)
    monkeypatch.chdir(tmp_path)
    suite = read_suite(folder / "boxes.toml")
    assert suite.backbone.weights == str(folder / "weights.pt")
    shutil.move(folder, tmp_path / "moved")
    again = read_suite(tmp_path / "moved" / "boxes.toml")
    assert again.backbone.weights == str(tmp_path / "moved" / "weights.pt")
    assert again.identify() == suite.identify()


def test_a_recorded_weight_file_is_looked_for_in_both_places(tmp_path: Path) -> None:
    from cl_bench.experiment.places import found_again, recorded

    (tmp_path / "old").mkdir()
    file = tmp_path / "old" / "w.pt"
    file.write_bytes(b"weights")
    run = tmp_path / "old" / "runs" / "run"
    kept = recorded(Choices(backbone=f"ViT-B-32:{file}"), "mini", run)
    assert kept.backbone == f"ViT-B-32:{file}" and kept.relative == {"backbone": "../../w.pt"}
    (tmp_path / "old").rename(tmp_path / "new")
    (again,) = found_again(kept, tmp_path / "new" / "runs" / "run", {})
    assert again.backbone == f"ViT-B-32:{tmp_path / 'new' / 'w.pt'}"
