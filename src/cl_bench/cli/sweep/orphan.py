"""A run of a sweep ends with the process that started it, however that one ended."""

from __future__ import annotations

import os
import signal
import threading
import time

STARTED_BY = "CL_BENCH_STARTED_BY"  # names that process by its number
LOOK = 1.0  # seconds between two looks


def end_with_its_sweep() -> None:
    """Where this process is a run of a sweep, terminate it once the sweep is gone.

    A sweep that is killed cannot tell its runs. They stop as if they were told to: what they hold is
    kept, and the same sweep continues them.
    """
    said = os.environ.pop(STARTED_BY, "")
    if said.isdigit():
        threading.Thread(target=_watch, args=(int(said),), daemon=True).start()


def _watch(sweep: int) -> None:
    while os.getppid() == sweep:
        time.sleep(LOOK)
    os.kill(os.getpid(), signal.SIGTERM)
