"""A run that is told to stop finishes its step, keeps where it stands, says so in one line, and goes on later.

What would be wrong without a word: a signal that is lost, a state that is kept in the middle of a step, a
handler that stays behind in the process of whoever called the run.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import cl_bench
from killing import FEW, Counted, must_be_the_same, undisturbed_run
from small_run import small_plan, small_run

from cl_bench.benchmark import mid_task
from cl_bench.benchmark.record import RunResult, read_run
from cl_bench.benchmark.records.events import Evaluated, Event, Learned, Resumed, Step, those
from cl_bench.benchmark.records.manifest import read_manifest
from cl_bench.benchmark.records.run_log import read_log
from cl_bench.benchmark.stopping import SIGNALS, STOPPED, Stopped, Stopping
from cl_bench.cli.sweep.job import Job, execute
from cl_bench.experiment.resolve import Plan

RUN = [
    "--method", "lora", "--order", "II", "--suite", "mini", "--tasks", "2", "--device", "cpu",
    "--set", "steps=60", "--set", "batch_size=4",
]  # fmt: skip


@pytest.fixture(scope="module")
def plan() -> Plan:
    return small_plan("lora", overrides=FEW)


@pytest.fixture
def undisturbed() -> RunResult:
    return undisturbed_run("lora", FEW)


def at(moment: Callable[[Event], bool], *signals: signal.Signals) -> Callable[[Event], None]:
    """A listener that sends signals to its own process at a moment."""

    def listen(event: Event) -> None:
        if moment(event):
            for number in signals:
                os.kill(os.getpid(), number)

    return listen


def in_the_first_task(event: Event) -> bool:
    return isinstance(event, Step) and event.step == 10


@pytest.mark.parametrize("told", SIGNALS, ids=lambda s: s.name)
def test_a_signal_while_training_is_obeyed_behind_the_step(
    told: signal.Signals, plan: Plan, undisturbed: RunResult, tmp_path: Path
) -> None:
    run, before = tmp_path / "run", [signal.getsignal(number) for number in SIGNALS]
    with pytest.raises(Stopped) as stopped:
        small_run(plan, run, listen=at(in_the_first_task, told), every="10m")
    assert [signal.getsignal(number) for number in SIGNALS] == before
    (kept,) = mid_task.kept(run / "checkpoints")
    assert "step-000010" in kept.name
    assert str(stopped.value) == (
        f"stopped by {told.name}: task mini-StanfordCars is broken off after step 10 of 13, kept in "
        f"{kept}; the same command, or `cl-bench resume {run}`, goes on"
    )
    assert read_manifest(run).status == "running"
    counted = Counted(plan)
    must_be_the_same(small_run(plan, run, counted), undisturbed)
    assert counted.calls[0] == "continue_task"


def test_other_signals_that_follow_change_nothing(plan: Plan, tmp_path: Path) -> None:
    """A scheduler sends one ahead and another one later; a sweep that is stopped, one to those below it."""
    listen = at(in_the_first_task, signal.SIGINT, signal.SIGTERM, signal.SIGTERM)
    with pytest.raises(Stopped, match="stopped by SIGINT: task mini-StanfordCars is broken off"):
        small_run(plan, tmp_path / "run", listen=listen, every="10m")
    assert mid_task.kept(tmp_path / "run" / "checkpoints")


def test_ctrl_c_a_second_time_stops_at_once(plan: Plan, tmp_path: Path) -> None:
    listen = at(in_the_first_task, signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt) as stopped:
        small_run(plan, tmp_path / "run", listen=listen, every="10m")
    assert not isinstance(stopped.value, Stopped)
    assert not mid_task.kept(tmp_path / "run" / "checkpoints")


@pytest.mark.parametrize(
    "moment",
    [
        lambda e: isinstance(e, Evaluated) and e.learned == 0,
        lambda e: isinstance(e, Learned) and e.learned == 2,
        lambda e: isinstance(e, Evaluated) and e.learned == 2,
    ],
    ids=["before the first task", "before a checkpoint", "before the end"],
)
def test_a_signal_elsewhere_stops_at_once_and_loses_nothing(
    moment: Callable[[Event], bool], plan: Plan, undisturbed: RunResult, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(Stopped, match=r"stopped by SIGTERM: what was kept is whole; the same") as s:
        small_run(plan, run, listen=at(moment, signal.SIGTERM), every="10m")
    assert "\n" not in str(s.value)
    must_be_the_same(small_run(plan, run), undisturbed)


def test_where_nothing_is_kept_that_is_said(plan: Plan, tmp_path: Path) -> None:
    listen = at(in_the_first_task, signal.SIGTERM)
    with pytest.raises(Stopped, match="nothing of it is kept"):
        small_run(plan, tmp_path / "run", listen=listen, every="off")
    assert not mid_task.kept(tmp_path / "run" / "checkpoints")


def test_a_signal_behind_the_last_step_is_not_lost(tmp_path: Path) -> None:
    stopping = Stopping(tmp_path)
    with pytest.raises(Stopped), stopping.heard(), stopping.after_a_step():
        os.kill(os.getpid(), signal.SIGTERM)


def test_another_thread_than_the_main_one_hears_nothing(tmp_path: Path) -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    seen: list[object] = []

    def work() -> None:
        with Stopping(tmp_path).heard():
            seen.extend(signal.getsignal(number) for number in SIGNALS)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == before


def test_the_command_line_ends_with_one_line_and_a_code_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """As a scheduler sees it: the process, its exit code, and that the same command goes on."""
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "cl_bench", "run", *RUN, "--out", str(tmp_path)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")},
    )  # fmt: skip

    def log() -> list[Event]:
        found = list(tmp_path.rglob("events.jsonl"))
        return read_log(found[0]) if found else []

    while not those(log(), Step):
        assert process.poll() is None, "the run ended before it could be stopped"
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == STOPPED == 75
    assert said.startswith("stopped by SIGTERM: task mini-StanfordCars is broken off after step ")
    assert said.count("\n") == 1
    (path,) = tmp_path.glob("*/lora/seed0-*")
    assert cl_bench(monkeypatch, "resume", str(path), "--checkpoint-every", "10h") == 2
    said = capfd.readouterr().err
    assert "setting checkpoint_every: write a number of steps" in said and said.count("\n") == 1
    assert cl_bench(monkeypatch, "resume", str(path), "--checkpoint-every", "5") == 0
    out = capfd.readouterr().out
    (resumed,) = those(read_run(path).events, Resumed)
    assert resumed.steps_done is not None and resumed.steps_done >= 10
    assert f"after 0 learned tasks and {resumed.steps_done} steps of mini-StanfordCars" in out


def test_a_job_that_is_called_off_waits_for_its_run_to_keep_its_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As submitit and Ray call it off; the run here takes a moment to end, and leaves a word."""
    script = (
        "import signal, sys, time, pathlib\n"
        "def stop(*_):\n"
        "    time.sleep(0.5); pathlib.Path('kept').touch(); sys.exit(75)\n"
        "signal.signal(signal.SIGTERM, stop); pathlib.Path('ready').touch(); time.sleep(60)\n"
    )

    class OffAfterItsBeginning(subprocess.Popen[bytes]):
        def wait(self, timeout: float | None = None) -> int:
            if timeout is None:
                while not (tmp_path / "ready").exists():
                    time.sleep(0.02)
                raise KeyboardInterrupt
            return super().wait(timeout)

    def start(job: Job) -> OffAfterItsBeginning:
        return OffAfterItsBeginning([sys.executable, "-c", script], cwd=job.folder)

    monkeypatch.setattr(Job, "start", start)
    with pytest.raises(KeyboardInterrupt):
        execute(Job("a run", (), tmp_path / "log", tmp_path))
    assert (tmp_path / "kept").exists()
