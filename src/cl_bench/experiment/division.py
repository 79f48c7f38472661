"""Whether a run's batches can be divided as it was asked for, among processes or into parts."""

from __future__ import annotations

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.processes import group
from cl_bench.experiment.resolve import Plan


def remarks(plan: Plan) -> tuple[str, ...]:
    """What whoever started the run should know of how its batches are divided.

    Raises:
        UserError: a batch has too few images.
    """
    size, processes, at_once = plan.config.budget.batch_size, group.size(), plan.images_at_once
    if processes > size:
        raise UserError(
            f"{processes} processes cannot share a batch of {size} images: start {size} at most"
        )
    if at_once is not None and at_once > size:
        raise UserError(f"--micro-batch {at_once}: a batch has {size} images; write {size} at most")
    if (processes == 1 and at_once is None) or plan.entry.method.row_by_row:
        return ()
    name = plan.config.method
    whole = f"{name} does not say that it may be given parts of a batch (row_by_row)"
    return (
        *([f"{whole}: each process trains on all of it"] if processes > 1 else []),
        *([f"{whole}: --micro-batch changes nothing"] if at_once is not None else []),
    )
