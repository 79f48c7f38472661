"""A run that is killed with SIGKILL ends, once resumed, as one that was never disturbed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from cl_bench.benchmark.checkpoint import load_checkpoint
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.records.claims import check_run
from cl_bench.benchmark.records.events import Evaluated, Event, Saved, those
from cl_bench.benchmark.records.run_log import read_log

RUN = [
    "--method", "keeplora", "--order", "II", "--suite", "mini", "--tasks", "2",
    "--set", "steps=12", "--device", "cpu",
]  # fmt: skip


def start(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cl_bench", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1] / "src")},
    )


def finish(*arguments: str) -> str:
    process = start(*arguments)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def directory(out: Path) -> Path:
    (found,) = out.glob("mini-II-2tasks/keeplora/seed0-*")
    return found


def events(out: Path) -> list[Event]:
    found = list(out.glob("mini-II-2tasks/keeplora/seed0-*/events.jsonl"))
    return read_log(found[0]) if found else []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed")
    finish("run", *RUN, "--out", str(out))
    return directory(out)


MOMENTS: dict[str, Callable[[list[Event]], bool]] = {
    "after the second checkpoint": lambda log: any(e.learned == 2 for e in those(log, Saved)),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_and_resumed_equals_undisturbed(
    moment: str, undisturbed: Path, tmp_path: Path
) -> None:
    process = start("run", *RUN, "--out", str(tmp_path))
    # the manifest comes right after the first event; without it there is no run yet
    while not (MOMENTS[moment](events(tmp_path)) and list(tmp_path.rglob("manifest.json"))):
        assert process.poll() is None, "the run ended before it could be killed"
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    path = directory(tmp_path)
    assert json.loads((path / "manifest.json").read_text())["status"] == "running"

    finish("resume", str(path))
    assert (path / "matrix.csv").read_bytes() == (undisturbed / "matrix.csv").read_bytes()
    last = [load_checkpoint(RunFolder(p).checkpoint(2)) for p in (path, undisturbed)]
    assert last[0]["clip"].keys() == last[1]["clip"].keys()
    assert all(torch.equal(t, last[1]["clip"][name]) for name, t in last[0]["clip"].items())
    assert check_run(path) == []
    rows = [e.learned for e in those(events(tmp_path), Evaluated)]
    assert rows == [0, 1, 2], "every row is logged exactly once"
    assert len(json.loads((path / "manifest.json").read_text())["sessions"]) == 2


def test_the_same_command_again_says_that_it_is_done(undisturbed: Path) -> None:
    before = (undisturbed / "matrix.csv").stat().st_mtime_ns
    output = finish("run", *RUN, "--out", str(undisturbed.parents[2]))
    assert "finished already" in output
    assert (undisturbed / "matrix.csv").stat().st_mtime_ns == before
