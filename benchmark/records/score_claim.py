"""The claim that scores make: they are those of the predictions. No torch."""

from __future__ import annotations

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult
from cl_bench.benchmark.records.kept_scores import wrong_scores


def scores_follow(run: RunResult) -> str:
    """Look into the scores of every row; returns what was found.

    Raises:
        UserError: a file is missing or damaged, or its best classes do not go with the predictions.
    """
    rows, top = 1 + len(run.matrix.rows), run.manifest.scores or 0
    for learned in range(rows):
        if wrong := wrong_scores(run.scores(learned), run.predictions(learned), top):
            raise UserError(f"row {learned}: {wrong}")
    return f"{top} best classes of every test image in {rows} rows, the first the predicted one"
