"""Runs of a sweep as jobs of a SLURM cluster, through submitit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cl_bench.benchmark.errors import UserError, missing_extra
from cl_bench.benchmark.record import read_json, write_json
from cl_bench.cli.sweep.job import Ended, Job, execute

POLL = 10.0  # seconds between two questions to the cluster
KNOWN = "jobs.json"  # in submitit's folder: a run's name -> the number of its job
ALIVE = (  # states of a job that waits or runs
    "PENDING", "CONFIGURING", "RUNNING", "SUSPENDED", "REQUEUED", "REQUEUE_HOLD", "RESIZING",
    "COMPLETING", "PREEMPTED", "STOPPED", "SIGNALING", "STAGE_OUT",
)  # fmt: skip


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

    A job that an earlier process submitted, and that SLURM still has, is waited for instead.

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
    on_slurm = parameters.get("cluster", "slurm") == "slurm"
    found = _found(jobs, folder) if on_slurm else {}
    new = [job for job in jobs if job not in found.values()]
    of_task = {**found, **(_submitted(new, folder, parameters) if new else {})}
    write_json(folder / KNOWN, {job.name: task.job_id for task, job in of_task.items()})
    try:
        for task in submitit.helpers.as_completed(list(of_task), poll_frequency=POLL):
            # what an earlier process left is not unpickled: its state says how it went
            well = task.state == "COMPLETED" if task in found else _result(task)
            ended(of_task[task], well)
    except KeyboardInterrupt:
        for task in of_task:
            task.cancel(check=False)
        raise


def _submitted(jobs: Sequence[Job], folder: Path, parameters: Mapping[str, Any]) -> dict[Any, Job]:
    """Submit jobs as one array; arguments and errors as of ``launch``."""
    import submitit

    own = {"name": "cl-bench", "cluster": "slurm", **parameters}
    try:
        executor = submitit.AutoExecutor(folder=folder, cluster=own.pop("cluster"))
        executor.update_parameters(**own)
        with executor.batch():
            return {executor.submit(Resumable(), job): job for job in jobs}
    except (RuntimeError, ValueError, NameError, TypeError) as error:
        raise UserError(f"--launcher slurm: {error}") from error


def _result(task: Any) -> bool:
    return task.exception() is None and bool(task.result())


def _found(jobs: Sequence[Job], folder: Path) -> dict[Any, Job]:
    """The jobs that an earlier process submitted and that wait or run.

    One that SLURM does not know any more is over.
    """
    from submitit import SlurmJob

    if not (folder / KNOWN).exists():
        return {}
    known = read_json(folder / KNOWN)
    tasks: dict[Any, Job] = {
        SlurmJob(folder, str(known[job.name])): job for job in jobs if job.name in known
    }
    return {task: job for task, job in tasks.items() if task.state.split()[0] in ALIVE}
