"""What a run predicted after its last task, image by image and in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunResult

COLUMNS = ("task", "image", "true class", "predicted class", "task of the predicted class", "right")
Row = tuple[str, int, str, str, str, bool]
Class = tuple[str, str]
"""Task and class name."""


def prediction_rows(run: RunResult, classes: Mapping[str, Sequence[Class]]) -> list[Row]:
    """One row per test image of every task; images count from 0 in the order of the test set.

    Args:
        run: a finished one.
        classes: by task, the classes that its images were classified over, as predictions count them.

    Raises:
        UserError: a prediction names a class that is not among them.
    """
    rows: list[Row] = []
    targets = run.targets()
    for task, predicted in run.predictions(len(run.matrix.tasks)).items():
        space, true = classes[task], targets[task]
        if (most := int(max(predicted.max(), true.max()))) >= len(space):
            raise UserError(
                f"{run.path}: a prediction of {task} names class {most}, and there are {len(space)}: "
                "these are the classes of another label space"
            )
        for image, (guess, truth) in enumerate(zip(predicted.tolist(), true.tolist(), strict=True)):
            of, name = space[guess]
            rows.append((task, image, space[truth][1], name, of, guess == truth))
    return rows
