"""What a run's checkpoints take on the disk, in words. No torch until it is counted."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.benchmark.errors import in_one_line
from cl_bench.benchmark.records.checkpoints import Keep
from cl_bench.experiment.resolve import Plan

COMPRESSED = 0.75  # of what scores take; measured on mini


def remarks(plan: Plan) -> tuple[str, ...]:
    """What ``--keep all`` costs, said before anything is learned; nothing where it was not asked for."""
    if plan.keeps.checkpoints != "all":
        return ()
    from cl_bench.experiment.forecast import forecast_checkpoints

    try:
        sizes = forecast_checkpoints(plan)
    except Exception as error:  # whatever a method's code raises where it cannot be played
        return (f"--keep all: what it takes on the disk is not known: {in_one_line(error)}",)
    return (f"--keep all: {kept_in_words('all', sizes)}, estimated",)


def kept_in_words(keep: Keep, sizes: Sequence[int]) -> str:
    """What stays of checkpoints of these bytes, one after every task."""
    last = in_bytes(sizes[-1])
    if keep == "all":
        return f"{in_bytes(sum(sizes))} of {len(sizes)} checkpoints (the last one alone: {last})"
    if keep == "none":
        return f"{last} of checkpoint while it runs (two while one replaces the other), then none"
    return f"{last} of checkpoint (two while one replaces the other)"


def of_scores(plan: Plan) -> int:
    """Bytes of the scores that a run of the plan keeps: of an image and row 6 for each class, and 4."""
    top, rows = plan.keeps.scores, len(plan.tasks) + 1
    if top is None:
        return 0
    together = sum(len(task.classnames) for task in plan.tasks)
    all_classes = plan.config.protocol.labels != "own"
    each = (
        task.test_size * (6 * min(top, together if all_classes else len(task.classnames)) + 4)
        for task in plan.tasks
    )
    return int(COMPRESSED * rows * sum(each))


def in_bytes(count: float) -> str:
    """Bytes in the unit that fits."""
    for unit, size in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count / 2**10:.0f} KiB"
