"""One run of a sweep as a process, wherever it is started."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cl_bench.cli.sweep.orphan import STARTED_BY


@dataclass(frozen=True)
class Job:
    """A process to run.

    Attributes:
        name: for people.
        arguments: behind ``cl-bench``.
        log: file for what it says.
        folder: where it runs.
    """

    name: str
    arguments: tuple[str, ...]
    log: Path
    folder: Path

    def start(self, environment: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start it; without an environment it has that of this process."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "cl_bench", *self.arguments],
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env={**(environment or os.environ), STARTED_BY: str(os.getpid())},
            )


GRACE = 60.0  # seconds for a run that is called off to finish its step and to keep its state
Ended = Callable[[Job, bool], None]
"""Hears of a job and whether it went well."""


def execute(job: Job) -> bool:
    """Run a job to its end on the machine of a cluster; whether it went well."""
    process = job.start()
    try:
        return process.wait() == 0
    except BaseException:  # it is called off: so is the run, which keeps where it stands
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        raise
