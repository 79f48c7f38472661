"""Runs that are killed with SIGKILL at random moments end as undisturbed ones; `make soak` tries many more."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("kill_anywhere.py")


def test_a_dozen_kills_change_nothing() -> None:
    """In a process of its own: it forks, and so must have no threads."""
    path = os.pathsep.join([str(SCRIPT.parents[1] / "src"), str(SCRIPT.parent)])
    ended = subprocess.run(
        [sys.executable, "-P", SCRIPT, "--kills", "4"],
        env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count(": 4 kills, 0 differences\n") == 3, ended.stdout
