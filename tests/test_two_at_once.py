"""Two processes on one run, one cache, one sweep; and a killed sweep, which takes its runs along."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from command_line import cl_bench
from PIL import Image

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


def test_two_processes_on_one_run_do_not_both_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ("run", "--method", "zero-shot", *SMALL, "-q")
    assert cl_bench(monkeypatch, *line) == 0
    path = Path(capsys.readouterr().out.strip())
    with RunFolder(path).locked():
        before = {p: p.read_bytes() for p in path.rglob("*") if p.is_file()}
        for typed in (line, ("resume", str(path))):
            assert cl_bench(monkeypatch, *typed) == 2
            error = capsys.readouterr().err.strip()
            assert f"{path} is in use by another process ({os.getpid()} on " in error
            assert len(error.splitlines()) == 1
        assert {p: p.read_bytes() for p in path.rglob("*") if p.is_file()} == before
    assert cl_bench(monkeypatch, "show", str(path)) == 0, "reading needs no lock"


CACHE = """
import sys
from pathlib import Path
import numpy as np
from cl_bench.datasets.images.listing import Listing
from cl_bench.datasets.images.store import Store
heard = []
files = tuple(sorted(Path("images").iterdir()))
store = Store(Path("cache"), on_progress=lambda work, *_: heard.append(work))
images = store.images("toy", Listing(files, np.zeros(len(files), np.int64), ("a",)), 16)
print("made" if "decoding toy" in heard else "opened", images.fingerprint)
"""


def test_two_processes_make_one_cache(tmp_path: Path) -> None:
    """Both start at once; one decodes, the other waits and says so, and both have the same pixels."""
    draw = np.random.default_rng(0)
    Path("images").mkdir()
    for i in range(300):
        Image.fromarray(draw.integers(0, 256, (90, 90, 3), np.uint8)).save(f"images/{i:03d}.png")
    line = [sys.executable, "-P", "-c", CACHE]
    both = [
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    said = [process.communicate() for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    (how, pixels), (how_other, pixels_other) = (out.split() for out, _ in said)
    assert {how, how_other} == {"made", "opened"} and pixels == pixels_other
    assert {p.suffix for p in Path("cache").iterdir() if p.name[0] != "."} == {
        ".lock", ".json", ".pixels",
    }  # fmt: skip


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
