"""Runs of a sweep as tasks of a Ray cluster, or of a Ray that is started on this machine."""

from __future__ import annotations

import logging
import os
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from cl_bench.benchmark.errors import UserError, in_one_line, missing_extra
from cl_bench.cli.sweep.job import Ended, Job, execute


def launch(
    jobs: Sequence[Job], at_once: int | None, parameters: Mapping[str, Any], ended: Ended
) -> None:
    """Run all jobs, each where Ray finds the processors and GPUs for it; Ctrl-C cancels them.

    Args:
        jobs: in the order in which they start.
        at_once: how many at most; as many as fit without.
        parameters: of one job, ``num_cpus`` (1 without, or its share of this machine's among
            ``at_once``) and ``num_gpus`` (1 without, where there are any); ``address`` of the cluster.
        ended: hears of each job and whether it went well, in this thread.

    Raises:
        UserError: Ray is not installed, not to be reached, or a parameter is unknown.
    """
    try:
        import ray
    except ImportError as error:
        raise missing_extra("--launcher ray", "ray") from error
    needs = dict(parameters)
    address = needs.pop("address", None)
    try:
        ray.init(
            address=address,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
        needs.setdefault("num_cpus", max(1, (os.cpu_count() or 1) // at_once) if at_once else 1)
        there = ray.cluster_resources()
        needs.setdefault("num_gpus", min(1.0, there.get("GPU", 0.0)))
        if address is None:
            _check(needs, there)
        remote = ray.remote(execute).options(**needs)
    except (ConnectionError, ValueError, TypeError, RuntimeError) as error:
        ray.shutdown()
        raise UserError(f"--launcher ray: {in_one_line(error)}") from error
    waiting, running = deque(jobs), dict[Any, Job]()
    try:
        while waiting or running:
            while waiting and (at_once is None or len(running) < at_once):
                job = waiting.popleft()
                running[remote.remote(job)] = job
            (done,), _ = ray.wait(list(running), num_returns=1)
            ended(running.pop(done), _result(done))
    except KeyboardInterrupt:
        for task in running:
            ray.cancel(task)
        raise
    finally:
        ray.shutdown()


def _check(needs: Mapping[str, Any], there: Mapping[str, float]) -> None:
    """Raise where a run asks for more than this machine has: Ray would wait for ever."""
    for name, kind in {"num_cpus": "CPU", "num_gpus": "GPU"}.items():
        if needs[name] > there.get(kind, 0):
            has = f"this machine has {there.get(kind, 0):g}"
            raise ValueError(f"{name}={needs[name]:g} for one run, and {has}")


def _result(task: Any) -> bool:
    """Whether a task went well; one whose machine was lost did not."""
    import ray

    try:
        return bool(ray.get(task))
    except ray.exceptions.RayError:
        return False
