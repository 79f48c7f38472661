"""A damaged run is found: by its ledger once it is finished, by its log before that."""

from __future__ import annotations

import functools
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from command_line import cl_bench
from small_run import fresh, small_plan, small_stream
from written_run import write_run

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.record import RunFolder, RunResult, read_run
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.events import Event, Saved
from cl_bench.benchmark.records.ledger import read_ledger
from cl_bench.benchmark.run import Listener, run
from cl_bench.benchmark.task import TaskStream
from cl_bench.experiment.resolve import Plan
from cl_bench.reports.report import write_report

FILES = (
    "config.json", "manifest.json", "matrix.csv", "matrix.json", "events.jsonl", "ledger.json",
    "shots.npz", "predictions/targets.npz", "predictions/after-00.npz", "predictions/after-02.npz",
    "checkpoints/after-02.safetensors",
)  # fmt: skip
CUTS = (0.0, 3 / 8, 7 / 8)
Damage = Callable[[Path], None]


class KilledError(Exception):
    """Stands for the kill of a process."""


@functools.cache
def plan_and_stream() -> tuple[Plan, TaskStream]:
    """Two tasks of a few images, the training images chosen as in a few-shot run."""
    plan = small_plan("lora", overrides=("rank=2", "steps=2", "lr=0.05"))
    few = (
        replace(
            t, train=t.train.subset(torch.arange(0, 32, 2)), test=t.test.subset(torch.arange(40))
        )
        for t in small_stream(plan).tasks
    )
    return plan, TaskStream("mini", tuple(few))


def learn(path: Path, listen: Listener = lambda event: None, seed: int = 0) -> RunResult:
    """Run, or continue, in ``path``."""
    plan, stream = plan_and_stream()
    config = plan.config.model_copy(update={"seed": seed})
    return run(config, lambda: fresh(plan), stream, RunFolder(path), listen)


def refused(path: Path, words: str) -> None:
    """Try to continue what must not be continued."""
    plan, stream = plan_and_stream()
    with pytest.raises(UserError, match=words):
        run(plan.config, lambda: model(), stream, RunFolder(path), lambda event: None)


@functools.cache
def model() -> Method:
    """A method for runs that do not come to learn."""
    return fresh(plan_and_stream()[0])


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run with a file of every kind."""
    path = tmp_path_factory.mktemp("finished") / "run"
    assert learn(path).finished
    assert check_run(path) == []
    return path


@pytest.fixture(scope="module")
def other_seed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run with another seed."""
    return learn(tmp_path_factory.mktemp("other") / "run", seed=1).path


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, killed before it evaluated its second and last task."""
    path = tmp_path_factory.mktemp("killed") / "run"

    def listen(said: Event) -> None:
        if isinstance(said, Saved) and said.learned == 2:
            raise KilledError

    with pytest.raises(KilledError):
        learn(path, listen)
    return path


def flip(file: Path, bit: int) -> None:
    """Change one bit of a file."""
    content = bytearray(file.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    file.write_bytes(content)


def cut(file: Path, share: float) -> None:
    """Keep the first part of a file."""
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])


def swap(a: Path, b: Path) -> None:
    """Let two files change places."""
    kept = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(kept)


def damaged(run: Path, file: str, change: Damage) -> list[str]:
    """What is found once ``change`` was made to a file; the file is put back."""
    honest = (run / file).read_bytes()
    change(run / file)
    try:
        return check_run(run)
    finally:
        (run / file).write_bytes(honest)


def test_48_damages_of_48_are_found(finished: Path) -> None:
    draw = random.Random(48)
    tried = found = 0
    for file in FILES:
        size = (finished / file).stat().st_size
        bits = [draw.randrange(8 * size) for _ in range(2 if file in FILES[:4] else 1)]
        changes: list[Damage] = [lambda f, s=share: cut(f, s) for share in CUTS]  # type: ignore[misc]
        changes += [lambda f, b=bit: flip(f, b) for bit in bits]  # type: ignore[misc]
        for change in changes:
            tried += 1
            words = damaged(finished, file, change)
            found += any(file in word or "ledger.json" in word for word in words)
    assert (tried, found) == (48, 48)
    assert check_run(finished) == []


def test_100_flipped_bits_of_100_are_found(finished: Path) -> None:
    draw = random.Random(100)
    files = [*read_ledger(finished).files, "ledger.json"]
    assert set(FILES) <= set(files)
    for _ in range(100):
        file = draw.choice(files)
        bit = draw.randrange(8 * (finished / file).stat().st_size)
        assert damaged(finished, file, lambda f, b=bit: flip(f, b)), (file, bit)  # type: ignore[misc]
    assert check_run(finished) == []


def test_any_flipped_bit_of_the_ledger_is_found(finished: Path) -> None:
    for bit in range(0, 8 * (finished / "ledger.json").stat().st_size, 53):
        assert damaged(finished, "ledger.json", lambda f, b=bit: flip(f, b)), bit  # type: ignore[misc]


ELSEWHERE: dict[str, tuple[Damage, str]] = {
    "a file deleted": (lambda run: (run / "predictions" / "after-01.npz").unlink(), "after-01.npz"),
    "the ledger deleted": (lambda run: (run / "ledger.json").unlink(), "ledger.json is missing"),
    "the log deleted": (lambda run: (run / "events.jsonl").unlink(), "events.jsonl"),
    "the checkpoint deleted": (lambda run: shutil.rmtree(run / "checkpoints"), "after-02.safetensors"),
    "a file added": (lambda run: shutil.copy(run / "shots.npz", run / "predictions"), "shots.npz"),
    "a folder added": (lambda run: shutil.copytree(run / "predictions", run / "more"), "more/"),
    "rows swapped": (
        lambda run: swap(*(run / "predictions" / f"after-0{i}.npz" for i in (1, 2))), "after-01.npz"
    ),
    "a link": (
        lambda run: (run / "predictions" / "after-03.npz").symlink_to(run / "shots.npz"), "is a link"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ELSEWHERE)
def test_what_is_gone_added_or_swapped_is_named(name: str, finished: Path, tmp_path: Path) -> None:
    change, words = ELSEWHERE[name]
    shutil.copytree(finished, tmp_path / "run")
    change(tmp_path / "run")
    assert words in "; ".join(check_run(tmp_path / "run"))
    with pytest.raises(UserError, match=words):
        read_run(tmp_path / "run")


@pytest.mark.parametrize(
    "file", ["checkpoints/after-02.safetensors", "predictions/after-02.npz", "events.jsonl", "config.json"]
)  # fmt: skip
def test_a_file_of_another_seeds_run_is_named(
    file: str, finished: Path, other_seed: Path, tmp_path: Path
) -> None:
    shutil.copytree(finished, tmp_path / "run")
    shutil.copy(other_seed / file, tmp_path / "run" / file)
    assert file in check_run(tmp_path / "run")[0]


def test_pictures_and_locks_may_change(finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    for name in ("matrix.png", ".lock", ".matrix.csv.partial", "wandb/offline-run/x.wandb"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text("changed")
    assert check_run(path) == [] and read_run(path).finished


COMMANDS = {
    "show": ["show", "RUN"], "check": ["show", "--check", "RUN"], "why": ["why", "RUN", "RUN"],
    "compare": ["compare", "RUN", "RUN"], "resume": ["resume", "RUN"], "report": ["report", "RUN"],
    "sync": ["sync", "RUN", "--to", "tensorboard"],
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("file", ["matrix.json", "events.jsonl", "predictions/after-01.npz"])
def test_no_command_shows_a_damaged_run_without_a_word(
    command: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    path = write_run(tmp_path / "runs")
    flip(path / file, 8 * 100 + 2)
    typed = [str(path) if word == "RUN" else word for word in COMMANDS[command]]
    assert cl_bench(monkeypatch, *typed) == 2
    error = capsys.readouterr().err.strip()
    assert file in error and len(error.splitlines()) == 1


def test_a_flipped_checkpoint_stops_resume_and_keeps_its_size(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "runs" / "run"
    shutil.copytree(finished, path)
    flip(path / "checkpoints" / "after-02.safetensors", 8 * 5000)
    assert cl_bench(monkeypatch, "resume", str(path)) == 2
    assert "after-02.safetensors is damaged" in capsys.readouterr().err
    cut(path / "checkpoints" / "after-02.safetensors", 0.5)
    with pytest.raises(UserError, match="no readable run"):
        write_report([tmp_path / "runs"], tmp_path / "out")


def test_a_run_from_before_ledgers_is_shown_and_said_to_be_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_run(tmp_path, sealed=False)
    assert cl_bench(monkeypatch, "show", str(path)) == 0
    assert "made before ledgers" in capsys.readouterr().out
    flip(path / "events.jsonl", 8 * 300 + 7)  # no longer a letter
    assert cl_bench(monkeypatch, "show", str(path)) == 2
    assert "line 3 of" in capsys.readouterr().err


def test_a_kill_before_the_ledger_is_made_good_by_resume(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    whole = (path / "ledger.json").read_bytes()
    (path / "ledger.json").unlink()
    assert cl_bench(monkeypatch, "show", str(path)) == 2
    assert "cl-bench resume" in capsys.readouterr().err
    assert cl_bench(monkeypatch, "resume", str(path)) == 0
    assert "nothing was done" in capsys.readouterr().out
    assert (path / "ledger.json").read_bytes() == whole


@pytest.mark.parametrize("file", [file for file in FILES if file != "ledger.json"])
def test_a_damaged_run_does_not_get_a_ledger(file: str, finished: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(finished, path)
    (path / "ledger.json").unlink()
    text = (path / file).read_bytes()
    flip(path / file, 8 * (len(text) * 2 // 3))
    refused(path, Path(file).name)
    assert not (path / "ledger.json").exists()


def test_a_killed_run_ends_as_the_undisturbed_one(
    killed: Path, finished: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    shutil.copytree(killed, path)
    assert len(read_run(path).matrix.rows) == 1
    learn(path)
    assert check_run(path) == []
    assert (path / "matrix.csv").read_bytes() == (finished / "matrix.csv").read_bytes()


UNFINISHED = (
    "config.json", "manifest.json", "matrix.csv", "events.jsonl", "shots.npz",
    "predictions/targets.npz", "predictions/after-00.npz", "predictions/after-01.npz",
    "checkpoints/after-01.safetensors",
)  # fmt: skip


@pytest.mark.parametrize("file", UNFINISHED)
def test_nothing_is_built_on_a_flipped_bit(file: str, killed: Path, tmp_path: Path) -> None:
    draw = random.Random(file)
    path = tmp_path / "run"
    shutil.copytree(killed, path)
    honest = (path / file).read_bytes()
    end = len(honest)
    if file == "events.jsonl":  # what follows the last row is cut off and made again
        end = honest.index(b"\n", honest.index(b'"evaluated"', honest.index(b'"learned": 1'))) + 1
    for _ in range(4):
        flip(path / file, draw.randrange(8 * end))
        before = (path / "matrix.csv").read_bytes()
        refused(path, Path(file).name)
        assert (path / "matrix.csv").read_bytes() == before
        (path / file).write_bytes(honest)


def test_a_finished_run_in_the_place_of_another_is_not_taken_for_it(
    other_seed: Path, tmp_path: Path
) -> None:
    shutil.copytree(other_seed, tmp_path / "run")
    refused(tmp_path / "run", "of another run than this one")


def test_results_without_their_manifest_are_not_overwritten(killed: Path, tmp_path: Path) -> None:
    path = tmp_path / "run"
    shutil.copytree(killed, path)
    (path / "manifest.json").unlink()
    refused(path, r"manifest\.json is missing")


def test_a_cut_last_line_is_a_kill_and_a_damaged_one_before_is_named(
    killed: Path, tmp_path: Path
) -> None:
    path = tmp_path / "run"
    shutil.copytree(killed, path)
    log = path / "events.jsonl"
    whole = log.read_bytes()
    events = read_run(path).events
    log.write_bytes(whole[:-5])
    assert read_run(path).events == events[:-1]
    log.write_bytes(whole.replace(b'"step"', b'"stap"', 1))
    with pytest.raises(UserError, match=r"line \d+ of .*events\.jsonl is damaged"):
        read_run(path)
    assert json.loads(whole.splitlines()[0])["event"] == "started"
