"""Starts processes that compute together, as torchrun does, and never waits for them without an end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO

WORKER = Path(__file__).with_name("group_worker.py")
PATIENCE, GRACE = 120, 5  # seconds for the first one, and then for the others


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code and what it said on standard error."""

    code: int
    said: str


def together(work: str, folder: Path, *, size: int = 2, timeout: int = 60) -> list[Ended]:
    """Let ``size`` processes do some work of ``group_worker.py``, each below ``folder``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    every = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    every |= {"OMP_NUM_THREADS": "1", "CL_BENCH_TIMEOUT": str(timeout)}
    words = [sys.executable, str(WORKER), work, str(folder)]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONSAFEPATH"} | every
    with ExitStack() as files:
        said = [files.enter_context(tempfile.TemporaryFile("w+")) for _ in range(size)]
        started = [
            subprocess.Popen(
                words, env=environment | {"RANK": str(i), "LOCAL_RANK": str(i)}, stderr=file
            )
            for i, file in enumerate(said)
        ]
        end = time.monotonic() + PATIENCE
        while started[0].poll() is None and time.monotonic() < end:
            time.sleep(0.05)
        end = time.monotonic() + GRACE
        while any(process.poll() is None for process in started) and time.monotonic() < end:
            time.sleep(0.05)
        for process in started:  # as a launcher does
            process.kill()
        return [Ended(p.wait(), _read(file)) for p, file in zip(started, said, strict=True)]


def _read(file: IO[str]) -> str:
    file.seek(0)
    return file.read()
