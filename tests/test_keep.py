"""Which checkpoints stay, and that verification, ledger and resuming know it."""

from __future__ import annotations

import functools
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import cl_bench
from small_run import fresh, small_plan, small_stream

from cl_bench.benchmark import opening, session
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunFolder, RunResult, read_run
from cl_bench.benchmark.records.checkpoints import kept_after
from cl_bench.benchmark.records.claims import check_run, judged, record_claims
from cl_bench.benchmark.records.events import Evaluated, Event
from cl_bench.benchmark.records.keeps import Keeps
from cl_bench.benchmark.run import Listener, run
from cl_bench.benchmark.task import TaskStream
from cl_bench.cli.verify.against_weights import PROOFS
from cl_bench.experiment.disk import remarks
from cl_bench.experiment.forecast import forecast_checkpoints
from cl_bench.experiment.resolve import Plan

FEW, TASKS = ("rank=2", "steps=1", "batch_size=4"), 3
KEPT = {"all": [1, 2, 3], "last": [3], "none": []}


class KilledError(Exception):
    """Stands for the kill of a process."""


def plan(keep: str | None) -> Plan:
    return small_plan("lora", tasks=TASKS, overrides=FEW, keep=keep)


@functools.cache
def tiny_stream() -> TaskStream:
    """Tasks of a few images."""
    tasks = small_stream(plan(None)).tasks
    few = (
        replace(t, train=t.train.subset(torch.arange(8)), test=t.test.subset(torch.arange(8)))
        for t in tasks
    )
    return TaskStream("mini", tuple(few))


def learn(plan: Plan, path: Path, listen: Listener = lambda event: None) -> RunResult:
    """Run, or continue, in ``path``."""
    folder = RunFolder(path)
    return run(plan.config, lambda: fresh(plan), tiny_stream(), folder, listen, keeps=plan.keeps)


def kill_after(rows: int) -> Listener:
    def listen(event: Event) -> None:
        if isinstance(event, Evaluated) and event.learned == rows:
            raise KilledError

    return listen


def there(path: Path) -> list[str]:
    return sorted(file.name for file in (path / "checkpoints").glob("*"))


def names(tasks: list[int]) -> list[str]:
    return [f"after-{learned:02d}.safetensors" for learned in tasks]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunResult]:
    out = tmp_path_factory.mktemp("kept")
    return {keep: learn(plan(keep), out / keep) for keep in KEPT}


@pytest.mark.parametrize("keep", KEPT)
def test_what_was_asked_for_stays_and_the_run_is_whole(
    keep: str, runs: dict[str, RunResult]
) -> None:
    path = runs[keep].path
    assert there(path) == names(KEPT[keep])
    assert check_run(path) == []
    claims = {claim.name: claim.verdict for claim in record_claims(path)}
    content = judged("content", PROOFS["checkpoint content"], read_run(path))
    verdict = "not checkable here" if keep == "none" else "proven"
    assert claims["checkpoint"] == content.verdict == verdict
    assert read_run(path).matrix == runs["last"].matrix
    assert learn(plan(keep), path).matrix == runs["last"].matrix, "it is read again"


def test_it_is_no_part_of_what_a_run_is(runs: dict[str, RunResult]) -> None:
    assert len({run.config.digest() for run in runs.values()}) == 1
    assert {keep: run.manifest.keeps for keep, run in runs.items()} == {k: k for k in KEPT}
    assert plan(None).config.digest() == plan("all").config.digest()


@pytest.mark.parametrize("learned", [1, 2, 3])
@pytest.mark.parametrize("harm", ["lost", "changed"])
def test_any_kept_checkpoint_that_is_harmed_is_found(
    learned: int, harm: str, tmp_path: Path, runs: dict[str, RunResult]
) -> None:
    path = copied(runs["all"].path, tmp_path)
    spoil(RunFolder(path).checkpoint(learned), harm)
    assert any(f"after-{learned:02d}" in words for words in check_run(path))
    with pytest.raises(UserError, match=f"after-{learned:02d}"):
        learn(plan("all"), path)


def test_harm_to_an_earlier_one_is_found_before_a_run_goes_on(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        learn(plan("all"), tmp_path, listen=kill_after(2))
    spoil(RunFolder(tmp_path).checkpoint(1), "changed")
    with pytest.raises(UserError, match=r"cannot be continued: .*after-01\.safetensors"):
        learn(plan("all"), tmp_path)


def test_one_that_was_harmed_during_the_run_is_not_sealed_unseen(tmp_path: Path) -> None:
    """A ledger holds what is there at the end: the log must be asked, too."""

    def listen(event: Event) -> None:
        if isinstance(event, Evaluated) and event.learned == 2:
            spoil(RunFolder(tmp_path).checkpoint(1), "changed")

    learn(plan("all"), tmp_path, listen=listen)
    words = {
        claim.name: claim.words for claim in record_claims(tmp_path) if claim.verdict == "false"
    }
    assert "is not the one that the log saw written" in words["checkpoint"]


@pytest.mark.parametrize("keep", ["all", "none"])
def test_a_killed_run_goes_on_and_ends_alike(
    keep: str, tmp_path: Path, runs: dict[str, RunResult]
) -> None:
    with pytest.raises(KilledError):
        learn(plan(keep), tmp_path, listen=kill_after(2))
    assert learn(plan(None), tmp_path).matrix == runs["last"].matrix, "nothing is said: as begun"
    assert there(tmp_path) == names(KEPT[keep])
    assert check_run(tmp_path) == []


@pytest.mark.parametrize(
    ("keep", "before"),
    [("all", "write_ledger"), ("none", "write_ledger"), ("none", "drop_at_the_end")],
)
def test_a_kill_at_the_very_end_is_mended(
    keep: str, before: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr(session, before, killed)
        with pytest.raises(KilledError):
            learn(plan(keep), tmp_path)
    assert learn(plan(keep), tmp_path).finished
    assert there(tmp_path) == names(KEPT[keep])
    assert check_run(tmp_path) == []


@pytest.mark.parametrize(("begun", "asked"), [("all", "last"), ("last", "all"), ("none", "all")])
def test_a_run_does_not_change_what_it_keeps(
    begun: str, asked: str, runs: dict[str, RunResult]
) -> None:
    with pytest.raises(UserError, match=f"was begun with --keep {begun}, not with --keep {asked}"):
        learn(plan(asked), runs[begun].path)


def test_a_run_that_goes_on_does_not_either(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        learn(plan("all"), tmp_path, listen=kill_after(1))
    with pytest.raises(UserError, match="was begun with --keep all, not with --keep none"):
        learn(plan("none"), tmp_path)
    assert there(tmp_path) == names([1])


def test_a_file_that_should_not_be_there_is_found(
    tmp_path: Path, runs: dict[str, RunResult]
) -> None:
    path = copied(runs["none"].path, tmp_path)
    (path / "checkpoints").mkdir(exist_ok=True)
    RunFolder(path).checkpoint(3).write_bytes(
        RunFolder(runs["last"].path).checkpoint(3).read_bytes()
    )
    assert any("is not in ledger.json" in words for words in check_run(path))


def test_a_failed_run_has_its_last_checkpoint_whatever_it_keeps() -> None:
    assert kept_after("none", 2, finished=False) == range(2, 3)
    assert [*kept_after("last", 0, finished=False)] == [*kept_after("all", 0, finished=True)] == []


def test_the_disk_is_told_of_beforehand(runs: dict[str, RunResult]) -> None:
    few = plan("all")
    said = forecast_checkpoints(few)
    found = [
        RunFolder(runs["all"].path).checkpoint(learned).stat().st_size for learned in (1, 2, 3)
    ]
    assert said == pytest.approx(found, rel=0.1, abs=1_000)
    (words,) = remarks(plan("all"))
    assert words.startswith("--keep all: ") and "of 3 checkpoints (the last one alone: " in words
    assert remarks(plan("last")) == remarks(plan("none")) == remarks(plan(None)) == ()


def test_a_resumed_run_keeps_what_it_began_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ("run", "--suite", "mini", "--method", "lora", "--order", "II", "--tasks", "2", "--set", "steps=1",
               "--device", "cpu", "--out", str(tmp_path), "--keep")  # fmt: skip
    assert cl_bench(monkeypatch, *command, "all") == 0
    assert "--keep all: " in capsys.readouterr().out
    (path,) = tmp_path.glob("*/lora/seed0-*")
    assert there(path) == names([1, 2])
    assert cl_bench(monkeypatch, "resume", str(path)) == 0
    assert cl_bench(monkeypatch, "show", str(path), "--check") == 0
    assert cl_bench(monkeypatch, *command, "some") == 2
    assert "setting keep: " in capsys.readouterr().err
    assert opening.must_keep_as_begun(path, Keeps("all")) is None


def copied(path: Path, folder: Path) -> Path:
    return Path(shutil.copytree(path, folder / "run"))


def spoil(file: Path, harm: str) -> None:
    if harm == "lost":
        file.unlink()
        return
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
