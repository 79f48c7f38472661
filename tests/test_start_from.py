"""A run begins with the state of another one: the right one, by name, or not at all."""

from __future__ import annotations

import functools
import io
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command_line import cl_bench
from small_run import fresh, small_plan, small_stream

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunFolder, RunResult, read_run
from cl_bench.benchmark.records.claims import check_run, judged
from cl_bench.benchmark.records.events import Evaluated, Event
from cl_bench.benchmark.records.manifest import read_manifest, write_manifest
from cl_bench.benchmark.run import Listener, run
from cl_bench.benchmark.task import TaskStream
from cl_bench.cli.verify import against_start
from cl_bench.experiment.again import resolve_again
from cl_bench.experiment.choices import choices_of
from cl_bench.experiment.places import recorded
from cl_bench.experiment.resolve import Plan
from cl_bench.experiment.start import run_and_place
from cl_bench.reports.literature.beside import why_not
from cl_bench.reports.model_card import model_card
from cl_bench.reports.runs.group import group
from cl_bench.reports.terminal.show import render

HASTE = ("rank=2", "steps=2", "batch_size=4", "lr=0.05")
A, B, C, D = "mini-StanfordCars", "mini-Food", "mini-MNIST", "mini-OxfordPet"


class KilledError(Exception):
    """Stands for the kill of a process."""


def plan(order: str, start: str | None = None, method: str = "lora", **choices: Any) -> Plan:
    overrides = choices.pop("overrides", HASTE)
    return small_plan(
        method, order=order, tasks=None, start_from=start, overrides=overrides, **choices
    )


@functools.cache
def few(order: str) -> TaskStream:
    """Tasks of a few images."""
    tasks = small_stream(plan(order)).tasks
    return TaskStream(
        "mini",
        tuple(
            replace(t, train=t.train.subset(torch.arange(8)), test=t.test.subset(torch.arange(32)))
            for t in tasks
        ),
    )


def learn(of: Plan, path: Path, listen: Listener = lambda event: None) -> RunResult:
    stream, folder = few(",".join(of.config.tasks)), RunFolder(path)
    make = functools.partial(fresh, of)
    return run(of.config, make, stream, folder, listen, keeps=of.keeps, start=of.start)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """A, B and C in one run that keeps every state."""
    return learn(plan(f"{A},{B},{C}", keep="all"), tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def begun(whole: RunResult, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    """B and C behind the state after A."""
    path = tmp_path_factory.mktemp("begun") / "run"
    return learn(plan(f"{B},{C}", f"{whole.path}:after-1"), path)


def test_it_goes_on_as_the_run_that_it_is_begun_with(whole: RunResult, begun: RunResult) -> None:
    """Randomness is of seed and task alone: two runs in a row are one run of all tasks, bit for bit."""
    assert begun.matrix.zero_shot == whole.matrix.rows[0][1:]
    assert begun.matrix.rows == tuple(row[1:] for row in whole.matrix.rows[1:])
    last, its = (RunFolder(r.path).checkpoint(len(r.matrix.rows)) for r in (whole, begun))
    assert last.read_bytes() == its.read_bytes()


@pytest.mark.parametrize("method", ["keeplora+", "sd-lora", "diki"])
def test_so_do_methods_that_remember_more_than_weights(method: str, tmp_path: Path) -> None:
    few_steps = ("steps=2", "batch_size=4")
    both = plan(f"{A},{B}", method=method, overrides=few_steps, keep="all")
    whole = learn(both, tmp_path / "whole")
    start = f"{whole.path}:after-1"
    begun = learn(plan(B, start, method, overrides=few_steps), tmp_path / "begun")
    assert begun.matrix.zero_shot == whole.matrix.rows[0][1:]
    assert begun.matrix.rows == (whole.matrix.rows[1][1:],)
    last, its = RunFolder(whole.path).checkpoint(2), RunFolder(begun.path).checkpoint(1)
    assert last.read_bytes() == its.read_bytes()


def test_the_first_row_is_of_the_state_and_not_of_the_backbone(
    whole: RunResult, begun: RunResult
) -> None:
    first = begun.predictions(0)[B]
    assert np.array_equal(first, whole.predictions(1)[B])
    assert not np.array_equal(first, whole.predictions(0)[B]), "the backbone answers otherwise"


def test_it_is_part_of_what_the_run_is(whole: RunResult, begun: RunResult) -> None:
    plain, after_2 = plan(C), plan(C, f"{whole.path}:after-2")
    other = plan(D, str(begun.path))
    configs = [plain.config, after_2.config, other.config]
    assert plain.config.start is None
    assert after_2.config.start is not None and after_2.config.start.tasks == (A, B)
    assert after_2.config.start.run == whole.config.digest()
    for key in (RunConfig.digest, RunConfig.comparison_key):
        assert len({key(config) for config in configs[:2]}) == 2
    with pytest.raises(UserError, match=f"has learned {C} already"):
        plan(C, str(whole.path))
    assert other.config.start is not None and other.config.start.tasks == (A, B, C)


def test_a_chain_of_runs_names_all_tasks_that_were_learned(
    whole: RunResult, tmp_path: Path
) -> None:
    middle = learn(plan(B, f"{whole.path}:after-1"), tmp_path / "middle")
    end = plan(C, str(middle.path)).config
    assert end.start is not None and end.start.tasks == (A, B) and end.start.learned == 1
    with pytest.raises(UserError, match=f"has learned {A} already"):
        plan(f"{C},{A}", str(middle.path))


def test_the_card_of_exported_weights_names_the_tasks_before(begun: RunResult) -> None:
    card = model_card(begun, 1, "0" * 64, "w.pt", "")
    assert f"learned {A}, {B} with lora: 1 of the 2 tasks of its run, the others before it." in card


def test_readers_are_told(begun: RunResult, whole: RunResult) -> None:
    from rich.console import Console

    assert begun.config.start is not None
    console = Console(width=300, record=True, file=io.StringIO())
    console.print(render(begun))
    said = console.export_text()
    assert "at the start" in said and "At the start over the same tasks as Transfer" in said
    assert "zero-shot, where it is said of this run, and Transfer are of that model" in said
    assert not any(line.startswith("zero-shot") for line in said.splitlines())
    (table,) = group([begun])
    assert f"begun with the state of run {whole.config.digest()} after 1 task" in table.details
    assert any("not of the pre-trained backbone" in note for note in table.notes)
    plain = plan(f"{B},{C}").config
    assert len(group([begun, replace(begun, config=plain)])) == 2, "never in one table"
    like_published = begun.config.model_copy(update={"preset": "paper"})
    assert why_not(like_published) is not None


def kill_after(rows: int) -> Listener:
    def listen(event: Event) -> None:
        if isinstance(event, Evaluated) and event.learned == rows:
            raise KilledError

    return listen


@pytest.mark.parametrize("rows", [0, 1])
def test_killed_and_gone_on_with_it_ends_alike(
    rows: int, whole: RunResult, begun: RunResult, tmp_path: Path
) -> None:
    of = plan(f"{B},{C}", f"{whole.path}:after-1")
    with pytest.raises(KilledError):
        learn(of, tmp_path, kill_after(rows))
    assert learn(of, tmp_path).matrix == begun.matrix
    assert check_run(tmp_path) == []


def test_a_checkpoint_that_has_changed_since_is_not_gone_on_from(
    whole: RunResult, tmp_path: Path
) -> None:
    shutil.copytree(whole.path, tmp_path / "from")
    of = plan(f"{B},{C}", f"{tmp_path / 'from'}:after-1")
    file = RunFolder(tmp_path / "from").checkpoint(1)
    shutil.copyfile(RunFolder(whole.path).checkpoint(2), file)
    with pytest.raises(UserError, match="is not the checkpoint that the run begins with"):
        learn(of, tmp_path / "run")
    with pytest.raises(UserError, match=r"after-01\.safetensors is damaged"):
        plan(f"{B},{C}", f"{tmp_path / 'from'}:after-1")


def test_both_runs_may_move_together_and_verification_finds_them(
    whole: RunResult, tmp_path: Path
) -> None:
    shutil.copytree(whole.path, tmp_path / "old" / "from")
    of = plan(f"{B},{C}", f"{tmp_path / 'old' / 'from'}:after-1", keep="none")
    of = resolved_in(of, tmp_path / "old" / "run")
    learn(of, tmp_path / "old" / "run")
    (tmp_path / "old").rename(tmp_path / "new")
    moved = read_run(tmp_path / "new" / "run")
    assert judged("start", against_start.prove, moved).verdict == "proven"
    again = resolve_again(moved.config, moved.path, {})
    assert again.start == RunFolder(tmp_path / "new" / "from").checkpoint(1)
    wrong = moved.config.start.model_copy(update={"learned": 2})  # type: ignore[union-attr]
    changed = replace(moved, config=moved.config.model_copy(update={"start": wrong}))
    assert judged("start", against_start.prove, changed).verdict == "false"
    shutil.rmtree(tmp_path / "new" / "from")
    assert judged("start", against_start.prove, moved).verdict == "not checkable here"


def resolved_in(of: Plan, path: Path) -> Plan:
    """The plan with its record's places as seen from ``path``."""
    choices = choices_of(of.config.choices).model_copy(update={"relative": {}})
    kept = recorded(choices, of.suite.name, path).model_dump(mode="json")
    return replace(of, config=of.config.model_copy(update={"choices": kept}))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another method": ({"method": "gpm", "overrides": ("steps=2",)}, "method lora there, gpm here"),
    "another setting": ({"overrides": ("rank=4", "steps=2")}, "rank 2 there, 4 here"),
    "another backbone": ({"backbone": "ViT-B-16:random"}, "backbone tiny-clip"),
    "images of earlier tasks": ({"method": "er", "overrides": ()}, "er keeps images of the tasks"),
    "all tasks": ({"method": "joint", "overrides": ()}, "joint learns all tasks of a run"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_would_not_be_the_same_method_is_refused(what: str, whole: RunResult) -> None:
    choices, words = REFUSED[what]
    with pytest.raises(UserError, match=words) as raised:
        plan(C, f"{whole.path}:after-1", **choices)
    assert len(str(raised.value).splitlines()) == 1


def test_what_is_no_such_state_is_refused(whole: RunResult, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(whole.path, tmp_path / "copy"))
    for said, words in {
        str(tmp_path): "is no run",
        str(tmp_path / "nothing"): "is no run",
        f"{whole.path}:after-99": "no checkpoint after 99 tasks: it has learned 3",
        f"{whole.path}:after-0": "no checkpoint after 0 tasks",
        f"{whole.path}:2": "is no run",
    }.items():
        with pytest.raises(UserError, match=words):
            plan(D, said)
    for status, reason, words in (
        ("failed", "the loss is nan", "has failed"), ("running", None, "is not finished"),
    ):  # fmt: skip
        (copy / "ledger.json").unlink(missing_ok=True)
        manifest = read_manifest(copy)
        write_manifest(copy, manifest.model_copy(update={"status": status, "reason": reason}))
        with pytest.raises(UserError, match=words):
            plan(D, str(copy))


def test_what_was_not_kept_is_said(whole: RunResult, tmp_path: Path) -> None:
    for keep, words in {"last": "it has the one after 2", "none": "it has none"}.items():
        short = learn(plan(f"{A},{B}", keep=keep), tmp_path / keep)
        with pytest.raises(UserError, match=f"--keep {keep}, and {words}"):
            plan(C, f"{short.path}:after-1")


def test_run_and_place_of_what_is_typed(tmp_path: Path) -> None:
    odd = tmp_path / "x:after-3"
    odd.mkdir()
    assert run_and_place(str(odd)) == (odd, None)
    assert run_and_place(f"{odd}:after-2") == (odd, 2)
    assert run_and_place("runs/a:after-12") == (Path("runs/a"), 12)
    assert choices_of({"start_from": odd}).start_from == str(odd), "in Python it may be a path"


def test_the_command_line_begins_goes_on_and_shows_it(
    whole: RunResult,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    command = ("run", "--suite", "mini", "--method", "lora", "--order", C, "--device", "cpu",
               "--set", "rank=2", "--set", "steps=2", "--set", "batch_size=4", "--out", str(tmp_path),
               "--start-from", f"{whole.path}:after-2")  # fmt: skip
    assert cl_bench(monkeypatch, *command, "--dry-run", "--no-estimate") == 0
    assert f"run {whole.config.digest()} after 2 tasks" in " ".join(capsys.readouterr().out.split())
    assert cl_bench(monkeypatch, *command) == 0
    said = capsys.readouterr().out
    assert "not of the pre-trained backbone" in " ".join(said.split())
    assert "[ 0/1] at the start; mean of all 1" in said
    (path,) = tmp_path.glob("*/lora/seed0-*")
    assert cl_bench(monkeypatch, "resume", str(path), "--start-from", str(whole.path)) == 0
    assert cl_bench(monkeypatch, "verify", str(path)) == 0
    assert "holds the recorded run and checkpoint" in " ".join(capsys.readouterr().out.split())
