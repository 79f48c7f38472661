"""Whether a run's accuracies and recalls are those of the predictions and ranks that it keeps."""

from __future__ import annotations

from cl_bench.benchmark.counted import counted
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import accuracy
from cl_bench.benchmark.recall import of_arrays
from cl_bench.benchmark.record import RunResult


def accuracies_follow(run: RunResult) -> str:
    """Hold every row against its predictions and ranks; what follows from them, in words.

    Raises:
        UserError: something does not.
    """
    targets, tasks = run.targets(), run.matrix.tasks
    wrong = []
    for learned, row in enumerate((run.matrix.zero_shot, *run.matrix.rows)):
        predicted = run.predictions(learned)
        if any(predicted[t].shape != targets[t].shape or not targets[t].size for t in tasks):
            wrong.append(f"row {learned}: predictions and targets are not of the same images")
        elif row != tuple(accuracy(predicted[t] == targets[t]) for t in tasks):
            wrong.append(f"row {learned} of matrix.csv does not follow from its predictions")
    wrong += [*_held_out(run), *_retrieval(run)]
    if wrong:
        raise UserError("; ".join(wrong))
    images = sum(len(targets[t]) for t in tasks)
    beside = (
        f" and {counted(len(run.config.held_out), 'held-out set')}" if run.config.held_out else ""
    )
    searched = f", recalls in {counted(len(run.config.retrieval), 'retrieval set')} from ranks"
    beside += searched if run.config.retrieval else ""
    return (
        f"{len(run.matrix.rows) + 1} rows follow from the predictions on {images:,} images{beside}"
    )


def _held_out(run: RunResult) -> list[str]:
    """What of the accuracies on held-out sets does not follow from their predictions, in words."""
    if not run.config.held_out:
        return []
    true, wrong = run.held_out_targets(), []
    sets = tuple(run.config.held_out)
    rows = 1 + len(run.matrix.rows)
    if len(run.held_out.rows) != rows:
        wrong.append(f"the log has {len(run.held_out.rows)} rows of held-out sets, not {rows}")
    for learned, row in enumerate(run.held_out.rows):
        predicted = run.held_out_predictions(learned)
        if any(predicted[s].shape != true[s].shape or not true[s].size for s in sets):
            wrong.append(f"row {learned}: held-out predictions and targets are not of one length")
        elif row != tuple(accuracy(predicted[s] == true[s]) for s in sets):
            wrong.append(f"row {learned} of the held-out sets does not follow from its predictions")
    return wrong


def _retrieval(run: RunResult) -> list[str]:
    """What of the recalls in retrieval sets does not follow from their ranks, in words."""
    if not run.config.retrieval:
        return []
    pictures, wrong = run.retrieval_pictures(), []
    rows = 1 + len(run.matrix.rows)
    if len(run.retrieval.rows) != rows:
        wrong.append(f"the log has {len(run.retrieval.rows)} rows of retrieval sets, not {rows}")
    for learned, row in enumerate(run.retrieval.rows):
        kept = run.retrieval_ranks(learned)
        ranks = {name: of_arrays(kept, name) for name in run.config.retrieval}
        wrong += [
            f"row {learned}: the ranks in {name} are not those of its pictures and captions"
            for name, of in ranks.items()
            if not of.may_be_of(pictures[name])
        ]
        if row != tuple(of.recalls() for of in ranks.values()):
            wrong.append(f"row {learned} of the retrieval sets does not follow from its ranks")
    return wrong
