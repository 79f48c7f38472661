"""A sweep is alone in its folder, and takes its runs along when it is killed."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import cl_bench

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.records.lock import held
from cl_bench.cli import app

SMALL = ("--suite", "mini", "--tasks", "1", "--device", "cpu")


@pytest.fixture(autouse=True)
def this_source(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent.parent / "src"))
    monkeypatch.chdir(tmp_path)


def test_a_second_process_on_one_sweep_is_refused_and_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("sweep", "--methods", "zero-shot", *SMALL, "--out", "grid")
    Path("grid").mkdir()
    with held(Path("grid", ".lock"), "the first"):
        assert cl_bench(monkeypatch, *line) == 2
        error = capsys.readouterr().err
        assert f"the sweep in grid is in use by another process ({os.getpid()} on " in error
        assert len(error.strip().splitlines()) == 1
        assert [p.name for p in Path("grid").iterdir()] == [".lock"], "no log, no grid, no run"
        assert cl_bench(monkeypatch, *line, "--dry-run") == 0, "looking is free"


def processes_of(folder: Path) -> list[int]:
    """The living processes whose working directory is ``folder``."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cwd").resolve() == folder.resolve():
                found.append(int(entry.name))
        except OSError:
            continue
    return [number for number in found if number != os.getpid()]


def test_a_killed_sweep_leaves_no_process_behind(tmp_path: Path) -> None:
    """As by the system where memory runs out: it can tell its runs nothing."""
    work = tmp_path / "work"
    work.mkdir()
    words = ("sweep", "--methods", "finetune", "--suite", "mini", "--device", "cpu")
    line = [sys.executable, "-P", "-m", "cl_bench", *words, "--out", "grid"]
    sweep = subprocess.Popen(line, cwd=work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    patience = time.monotonic() + 150
    while len(began := list(work.glob("grid/mini-I/*/*/events.jsonl"))) < 1:
        assert sweep.poll() is None and time.monotonic() < patience
        time.sleep(0.1)
    assert len(processes_of(work)) >= 2, "the check can tell"
    sweep.send_signal(signal.SIGKILL)
    sweep.wait()
    while left := processes_of(work):
        assert time.monotonic() < patience, left
        time.sleep(0.1)
    for events in began:
        with RunFolder(events.parent).locked():  # at once: its dead holder was of this machine
            pass
    with held(work / "grid" / ".lock", "the sweep"):
        pass


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "a/b: No space left on device; .*make room.*"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "Disk quota exceeded; .*the same command goes on"),
        (OSError(errno.EACCES, "Permission denied", "a/b"), "a/b: Permission denied$"),
        (OSError("odd"), "odd$"),
        (UserError("mistake"), "mistake$"),
    ],
)  # fmt: skip
def test_what_the_disk_refuses_is_one_line_with_what_to_do(
    error: Exception,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(**_: object) -> int:
        raise error

    monkeypatch.setattr(app, "app", fail)
    assert cl_bench(monkeypatch, "run") == 2
    said = capsys.readouterr().err.strip()
    assert re.fullmatch(f"error: {words}", said), said
