"""Runs of a sweep as jobs of a SLURM cluster, through submitit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cl_bench.benchmark.errors import UserError, missing_extra
from cl_bench.cli.sweep.job import Ended, Job, execute

POLL = 10.0  # seconds between two questions to the cluster


class Resumable:
    """A job that SLURM may preempt or end at its time limit: it is queued again and continues."""

    def __call__(self, job: Job) -> bool:
        """Run the job to its end; whether it went well."""
        return execute(job)

    def checkpoint(self, job: Job) -> Any:
        """What to queue instead: the same, as a run's directory is its checkpoint."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, job)


def launch(jobs: Sequence[Job], folder: Path, parameters: Mapping[str, Any], ended: Ended) -> None:
    """Submit all jobs as one array and wait for them; Ctrl-C cancels them.

    Args:
        jobs: in the order in which they are queued.
        folder: for submitit's own files.
        parameters: submitit's; ``cluster=local`` tries it on this machine, without SLURM.
        ended: hears of each job and whether it went well, in this thread.

    Raises:
        UserError: submitit is not installed, SLURM is not here, or a parameter is unknown.
    """
    try:
        import submitit
    except ImportError as error:
        raise missing_extra("--launcher slurm", "slurm") from error
    own = {"name": "cl-bench", "cluster": "slurm", **parameters}
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=own.pop("cluster"))
        executor.update_parameters(**own)
        with executor.batch():
            submitted = {executor.submit(Resumable(), job): job for job in jobs}
    except (RuntimeError, ValueError, NameError, TypeError) as error:
        raise UserError(f"--launcher slurm: {error}") from error
    try:
        for task in submitit.helpers.as_completed(list(submitted), poll_frequency=POLL):
            ended(submitted[task], task.exception() is None and bool(task.result()))
    except KeyboardInterrupt:
        for task in submitted:
            task.cancel(check=False)
        raise
