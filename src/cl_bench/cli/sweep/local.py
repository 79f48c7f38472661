"""Runs of a sweep as processes of this machine, some at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager

from cl_bench.cli.sweep.job import Ended, Job


def launch(jobs: Sequence[Job], at_once: int, gpus: Sequence[str], ended: Ended) -> None:
    """Run all jobs, ``at_once`` at a time, each with its share of the cores and one of the GPUs.

    Ctrl-C, or a signal to terminate, ends them.

    Args:
        jobs: in the order in which they start.
        at_once: how many processes.
        gpus: what ``CUDA_VISIBLE_DEVICES`` may name, handed out in turn; empty leaves it alone.
        ended: hears of each job and whether it went well, in this thread.
    """
    processes = _Processes(at_once, list(gpus))
    with _terminated_is_interrupted(), ThreadPoolExecutor(at_once) as pool:
        started = {pool.submit(processes.run, job): job for job in jobs}
        try:
            for future in as_completed(started):
                ended(started[future], future.result())
        except KeyboardInterrupt:
            processes.stop()
            raise


@contextmanager
def _terminated_is_interrupted() -> Iterator[None]:
    """Without this the signal would end this process alone and leave the others to themselves."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Processes:
    """The processes under way; each worker thread waits for one."""

    def __init__(self, at_once: int, gpus: list[str]) -> None:
        self._threads = max(1, (os.cpu_count() or 1) // at_once)
        self._free = gpus
        self._running: set[subprocess.Popen[bytes]] = set()
        self._stopping = threading.Event()

    def run(self, job: Job) -> bool:
        """Run a job to its end; whether it went well."""
        if self._stopping.is_set():
            return False
        environment = {"OMP_NUM_THREADS": str(self._threads), **os.environ}
        gpu = self._free.pop(0) if self._free else None
        if gpu is not None:
            environment["CUDA_VISIBLE_DEVICES"] = gpu
        process = job.start(environment)
        self._running.add(process)
        if self._stopping.is_set():  # between the look above and now
            process.terminate()
        code = process.wait()
        self._running.discard(process)
        if gpu is not None:
            self._free.append(gpu)
        return code == 0

    def stop(self) -> None:
        """End what runs; start nothing more."""
        self._stopping.set()
        for process in list(self._running):
            process.terminate()
