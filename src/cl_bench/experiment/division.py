"""How a run's batches are divided as it was asked for, among processes and into parts that fit the memory."""

from __future__ import annotations

from functools import partial

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.processes import group
from cl_bench.benchmark.processes.first import led
from cl_bench.experiment.resolve import Plan


def images_at_once(plan: Plan) -> int | None:
    """Of how many images of a batch the activations are kept at once; ``None``: of all.

    Raises:
        UserError: not even those of one fit.
    """
    if plan.micro_batch == "auto":
        from cl_bench.experiment.memory import largest_that_fits

        return led(partial(largest_that_fits, plan))
    return None if plan.micro_batch is None else int(plan.micro_batch)


def remarks(plan: Plan) -> tuple[str, ...]:
    """What whoever started the run should know of how its batches are divided.

    Raises:
        UserError: there are more processes than images in a batch.
    """
    size, processes = plan.config.budget.batch_size, group.size()
    if processes > size:
        raise UserError(
            f"{processes} processes cannot share a batch of {size} images: start {size} at most"
        )
    if processes > 1 and plan.config.protocol.clients:
        raise UserError(
            f"--clients is a simulation in one process, and {processes} were started: start one alone"
        )
    if (processes == 1 and plan.micro_batch is None) or plan.entry.method.row_by_row:
        return ()
    name = plan.config.method
    whole = f"{name} does not say that it may be given parts of a batch (row_by_row)"
    return (
        *([f"{whole}: each process trains on all of it"] if processes > 1 else []),
        *([f"{whole}: --micro-batch changes nothing"] if plan.micro_batch is not None else []),
    )
