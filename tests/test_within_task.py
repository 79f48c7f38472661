"""A run goes on from any step of a task as if nothing had happened, and from nothing that is not its own.

What would be wrong without a word: a step taken twice or left out, moments or the place in the data order
lost, seconds and images of the part before the kill forgotten, steps twice in the log or missing from it, a
state of another task, run or code taken up, a damaged one loaded.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from killing import (
    FEW,
    Counted,
    Killed,
    killed_in_phase,
    killed_in_step,
    must_be_the_same,
    seconds_of,
    undisturbed_run,
)
from small_run import small_plan, small_run

from cl_bench.benchmark import broken_off, keeper, mid_task
from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.interval import Interval
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.events import Learned, Resumed, Step, those
from cl_bench.benchmark.records.files import sha256_of
from cl_bench.benchmark.records.run_log import read_log
from cl_bench.benchmark.session import RunSession
from cl_bench.benchmark.train import Training, reported
from cl_bench.experiment.choices import choices_of
from cl_bench.experiment.resolve import Plan


@pytest.fixture(scope="module")
def plan() -> Plan:
    return small_plan("lora", overrides=FEW)


@pytest.fixture
def undisturbed() -> RunResult:
    return undisturbed_run("lora", FEW)


@pytest.fixture(scope="module")
def killed(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was killed in step 13 of its second task, with a state after step 11."""
    path = tmp_path_factory.mktemp("killed") / "run"
    with killed_in_step(2, 13):
        small_run(plan, path, every="11")
    return path


@pytest.fixture
def run(killed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(killed, tmp_path / "run"))


def state_in(run: Path) -> Path:
    (path,) = mid_task.kept(run / "checkpoints")
    return path


def resumed(run: Path) -> Resumed:
    return those(read_log(run / "events.jsonl"), Resumed)[-1]


@pytest.mark.parametrize("step", [1, 10, 11, 13])
def test_it_goes_on_behind_the_last_step_that_was_kept(
    step: int, plan: Plan, undisturbed: RunResult, tmp_path: Path
) -> None:
    """Before, at and behind the steps after which something is logged; ``step`` itself is not done."""
    with killed_in_step(1, step):
        small_run(plan, tmp_path / "run", every="1")
    counted = Counted(plan)
    must_be_the_same(small_run(plan, tmp_path / "run", counted), undisturbed)
    assert resumed(tmp_path / "run").steps_done == (step - 1 or None)
    assert counted.calls[0] == ("continue_task" if step > 1 else "before_task")
    assert check_run(tmp_path / "run") == []


def test_it_may_be_killed_again_and_again(
    plan: Plan, undisturbed: RunResult, tmp_path: Path
) -> None:
    for task, step, done in ((1, 5, None), (1, 11, 4), (1, 12, 8), (2, 6, 8)):
        with killed_in_step(task, step):
            small_run(plan, tmp_path / "run", every="4")
        events = those(read_log(tmp_path / "run" / "events.jsonl"), Resumed)
        assert (events[-1].steps_done if events else None) == done
    result = small_run(plan, tmp_path / "run", every="4")
    assert resumed(tmp_path / "run").steps_done == 4
    must_be_the_same(result, undisturbed)
    assert check_run(tmp_path / "run") == []


def test_keeping_changes_nothing(plan: Plan, undisturbed: RunResult, tmp_path: Path) -> None:
    must_be_the_same(small_run(plan, tmp_path / "run", every="1"), undisturbed)


def test_what_the_part_before_the_kill_cost_is_not_forgotten(
    plan: Plan, undisturbed: RunResult, run: Path
) -> None:
    taken = load_checkpoint(state_in(run))["seconds"]
    result = small_run(plan, run)
    assert all(seconds_of(result, 2)[phase] > taken[phase] > 0 for phase in ("prepare", "train"))
    drawn = [[e.images_drawn for e in those(r.events, Learned)] for r in (result, undisturbed)]
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("phase", ["before_task", "after_task"])
def test_a_kill_in_a_phase_goes_on_from_the_last_state_before_it(
    phase: str, plan: Plan, undisturbed: RunResult, tmp_path: Path
) -> None:
    killed_in_phase(plan, tmp_path / "run", phase, at=2, every="13")
    counted = Counted(plan)
    must_be_the_same(small_run(plan, tmp_path / "run", counted), undisturbed)
    first = {"before_task": "before_task", "after_task": "continue_task"}[phase]
    assert counted.calls == [first, "after_task"]
    assert resumed(tmp_path / "run").steps_done == (13 if phase == "after_task" else None)


def test_long_preparation_is_kept_before_the_first_step(
    plan: Plan, undisturbed: RunResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds = iter(range(0, 10**6, 61))  # between any two looks at the clock
    monkeypatch.setattr(keeper.time, "monotonic", lambda: next(seconds))
    with killed_in_step(1, 1):
        small_run(plan, tmp_path / "run", every="1m")
    counted = Counted(plan)
    must_be_the_same(small_run(plan, tmp_path / "run", counted), undisturbed)
    assert counted.calls[0] == "continue_task" and resumed(tmp_path / "run").steps_done == 0


def test_short_work_is_not_kept(plan: Plan, tmp_path: Path) -> None:
    for every in ("10m", "off"):
        with killed_in_step(1, 3):
            small_run(plan, tmp_path / every, every=every)
        assert not mid_task.kept(tmp_path / every / "checkpoints")


# What is wrong with a state, and the words that say so. A run that took it up would be wrong without a word.
def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 1
    path.write_bytes(content)


def owned_by(**other: str | int) -> Callable[[Path], None]:
    """The same state, whole, of something else."""

    def change(path: Path) -> None:
        state = load_checkpoint(path)
        state["owner"] |= other
        save_checkpoint(path, state)
        path.rename(re.sub("[0-9a-f]{64}", sha256_of(path), str(path)))

    return change


def without_a_line(path: Path) -> None:
    log = path.parents[1] / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    (place,) = (i for i, line in enumerate(lines) if b'"step": 10' in line and b"mini-Food" in line)
    log.write_bytes(b"".join([*lines[:place], *lines[place + 1 :]]))


def with_a_damaged_line(path: Path) -> None:
    log = path.parents[1] / "events.jsonl"
    lines = log.read_bytes().splitlines(keepends=True)
    lines[-1] = lines[-1].replace(b'"step": 10', b'"step": 11')
    log.write_bytes(b"".join(lines))


UNFIT: dict[str, tuple[Callable[[Path], None], str]] = {
    "cut": (cut, "is damaged: its SHA-256 is not the one in its name"),
    "empty": (empty, "is damaged: its SHA-256 is not the one in its name"),
    "a flipped bit": (flip, "is damaged: its SHA-256 is not the one in its name"),
    "another run's": (owned_by(run="0" * 12), "is of another run"),
    "another task's": (owned_by(task="mini-DTD"), "is of another task"),
    "another place's": (owned_by(place=1), "is of another place"),
    "another code's": (owned_by(code="0" * 64), "is of another code"),
    "another device's": (owned_by(device="cuda"), "is of another device"),
    "a step that is not in the log": (without_a_line, "lacks steps that were done"),
    "a damaged line in the log": (with_a_damaged_line, "is damaged"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_a_state_that_does_not_fit_is_set_aside_in_one_line(
    case: str, plan: Plan, run: Path
) -> None:
    taken, reason = broken_off.standing(RunFolder(run), plan.config, 1)
    assert taken is not None and taken.step == 11 and reason is None, "as it is, it fits"
    spoil, words = UNFIT[case]
    spoil(state_in(run))
    taken, reason = broken_off.standing(RunFolder(run), plan.config, 1)
    assert taken is None and reason is not None
    assert words in reason and "\n" not in reason


def test_without_a_state_that_fits_a_run_goes_on_from_the_last_whole_task(
    plan: Plan, undisturbed: RunResult, run: Path
) -> None:
    flip(state_in(run))
    counted = Counted(plan)
    must_be_the_same(small_run(plan, run, counted), undisturbed)
    assert counted.calls == ["before_task", "after_task"]
    said = resumed(run)
    assert said.steps_done is None and said.set_aside is not None


@pytest.mark.parametrize("eighth", range(8))
def test_a_state_cut_anywhere_is_not_taken(eighth: int, run: Path) -> None:
    path = state_in(run)
    content, expected = path.read_bytes(), {"place": 2}
    path.write_bytes(content[: len(content) * eighth // 8])
    with pytest.raises(UserError, match="is damaged"):
        mid_task.read(path, expected)
    path.write_bytes(content)
    assert mid_task.read(path, expected).step == 11


def test_an_older_state_is_used_where_the_latest_is_damaged(
    plan: Plan, undisturbed: RunResult, run: Path
) -> None:
    """A kill between the rename of a state and the end of the one before it leaves both."""
    latest = state_in(run)
    shutil.copy(latest, run / "latest")
    latest.unlink()
    with killed_in_step(1, 8):
        small_run(plan, run, every="7")
    (run / "latest").rename(latest)
    cut(latest)
    must_be_the_same(small_run(plan, run), undisturbed)
    said = resumed(run)
    assert said.steps_done == 7 and said.set_aside is not None and latest.name in said.set_aside


def test_a_state_of_a_task_that_is_learned_is_not_taken_up(plan: Plan, run: Path) -> None:
    """A kill came between the row that makes the task count and the end of its state."""
    three = small_plan("lora", tasks=3, overrides=FEW).config
    assert broken_off.standing(RunFolder(run), three, 2) == (None, None), "nothing to be said"
    assert broken_off.standing(RunFolder(run), plan.config, 2) == (None, None)
    assert broken_off.standing(RunFolder(run), plan.config, -1) == (None, None)
    with pytest.MonkeyPatch.context() as kill:
        kill.setattr(RunSession, "_drop_older", killed_here)
        with pytest.raises(Killed):
            small_run(plan, run)
    state = state_in(run)
    result = small_run(plan, run)
    assert result.finished and not state.exists() and check_run(run) == []


def killed_here(session: RunSession) -> None:
    raise Killed


def test_at_most_two_states_are_there_and_what_a_kill_left_goes(
    plan: Plan, killed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    half = run / "checkpoints" / f".{state_in(killed).name}.partial"
    half.parent.mkdir(parents=True)
    half.write_bytes(b"half")
    seen = []
    write = mid_task.write_atomically

    def count(path: Path, content: bytes) -> None:
        write(path, content)
        seen.append(len(list(path.parent.glob("*within-*"))))

    monkeypatch.setattr(mid_task, "write_atomically", count)
    with killed_in_step(1, 5):
        small_run(plan, run, every="1")
    assert seen == [1, 2, 2, 2], "the half one went with the first row"
    assert [path.name[:22] for path in half.parent.iterdir()] == ["within-01-step-000004-"]


def test_a_full_disk_ends_the_run_and_what_was_kept_stays(
    plan: Plan, undisturbed: RunResult, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as full:

        def refuse(path: Path, content: bytes) -> None:
            raise OSError(28, "No space left on device", str(path))

        full.setattr(mid_task, "write_atomically", refuse)
        with pytest.raises(OSError, match="No space left"):
            small_run(plan, run, every="1")
    assert "step-000011" in state_in(run).name
    must_be_the_same(small_run(plan, run), undisturbed)


def test_a_run_that_diverges_keeps_no_state_of_it(
    plan: Plan, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as odd:

        def diverge(training: Training) -> None:
            raise NotFiniteError("the loss became nan")

        odd.setattr(Training, "take_step", diverge)
        with pytest.raises(UserError, match=r"Last good checkpoint: .*after-01"):
            small_run(plan, run, every="1")
    assert not mid_task.kept(run / "checkpoints")


def test_the_log_is_cut_back_to_the_state(plan: Plan, tmp_path: Path) -> None:
    """The state is of step 8; a line about step 10 was logged before the kill."""
    path = tmp_path / "run"
    with killed_in_step(1, 12):
        small_run(plan, path, every="8")
    assert [e.step for e in those(read_log(path / "events.jsonl"), Step)] == [10]
    assert "step-000008" in state_in(path).name
    with killed_in_step(1, 9):
        small_run(plan, path)
    log = read_log(path / "events.jsonl")
    assert not those(log, Step)
    assert isinstance(log[-1], Resumed) and log[-1].steps_done == 8
    assert len(json.loads((path / "manifest.json").read_text())["sessions"]) == 2


@pytest.mark.parametrize(
    ("said", "interval"),
    [
        ("500", Interval(steps=500)),
        (500, Interval(steps=500)),
        ("10m", Interval(seconds=600)),
        ("30s", Interval(seconds=30)),
        ("off", Interval()),
    ],
)
def test_an_interval_is_read(said: str | int, interval: Interval) -> None:
    choices = choices_of({"checkpoint_every": said})
    assert choices.checkpoint_every == str(said) and Interval.of(str(said)) == interval


@pytest.mark.parametrize("said", ["0", "0m", "-1", "1.5m", "10 m", "10h", "", "always", "1_0", "٣"])
def test_what_is_no_interval_is_named(said: str) -> None:
    words = "setting checkpoint_every: write a number of steps such as 500, a time such as 10m or"
    with pytest.raises(UserError, match=words):
        choices_of({"checkpoint_every": said})


def test_an_interval_is_over_by_steps_or_by_time() -> None:
    assert [Interval(steps=5).is_over(n, 1e9) for n in (0, 4, 5)] == [False, False, True]
    assert [Interval(seconds=5).is_over(10**9, s) for s in (0.0, 4.9, 5.0)] == [False, False, True]
    assert not Interval().is_over(10**9, 1e9)
    assert [Interval(seconds=600).nears(s) for s in (59.9, 60.0)] == [False, True]
    assert Interval(steps=500).nears(0.0) and not Interval().nears(1e9)


def test_the_interval_is_no_part_of_what_a_run_is() -> None:
    plain, other = small_plan("lora"), small_plan("lora", checkpoint_every="7")
    assert plain.folder == other.folder and plain.config.digest() == other.config.digest()
    assert plain.interval == Interval(seconds=600) and other.interval == Interval(steps=7)
    assert other.config.choices["checkpoint_every"] == "7"


@pytest.mark.parametrize("steps", [1, 9, 10, 23, 30])
def test_what_is_reported_is_what_training_reports(steps: int) -> None:
    every = [reported(step, steps) for step in range(steps + 1)]
    assert every[0] == []
    assert all(a == b[: len(a)] for a, b in pairwise(every))
    assert every[-1][-1] == steps
