"""Captions that a method would take for the classes of a task that it has learned."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.retrieval import RetrievalSets
from cl_bench.benchmark.task import Task
from cl_bench.benchmark.tokens import Tokenizer


def must_be_no_classes(
    retrieval: RetrievalSets, tasks: Sequence[Task], tokenizer: Tokenizer
) -> None:
    """Make sure that the captions of a set do not hold the class names of a task, one behind the other.

    Args:
        retrieval: what is never learned.
        tasks: of the run.
        tokenizer: of its text tower.

    Raises:
        UserError: they do.
    """
    for captioned in retrieval.sets:
        labels, _ = captioned.classes(tokenizer)
        for task in tasks:
            if labels.find(task.labels.classnames) is not None:
                raise UserError(
                    f"captions of the retrieval set {captioned.name} are the class names of {task.name}, one behind the "
                    "other: a method would take them for its classes; put another caption between them"
                )
