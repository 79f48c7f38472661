"""How far confidence is from accuracy: the expected calibration error, where runs keep scores."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.names import first_row
from cl_bench.reports.runs.row import Row
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.table import Cell, Table, number, words_alone

BINS = 15
NONE = "These runs keep no scores."


def calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """Expected calibration error in per cent (Guo et al. 2017, arXiv 1706.04599), 15 bins of equal width.

    The mean over images of |accuracy - mean confidence| of an image's bin; bin i holds (i/15, (i+1)/15].

    Args:
        confidence: of the predicted class, in [0, 1], [N].
        right: whether it is the true one, [N].
    """
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(
        bins, right - confidence, minlength=BINS
    )  # sums of accuracy minus confidence
    return float(100 * np.abs(gaps).sum() / len(right))


def keeps_scores(judged: Judged) -> bool:
    """Whether a finished run of the group keeps scores."""
    return any(run.manifest.scores for row in judged.group.rows for run in row.runs)


def _errors(run: RunResult, learned: int) -> tuple[float, ...]:
    """Of every task's test images after ``learned`` tasks."""
    scores, targets = run.scores(learned), run.targets()
    return tuple(
        calibration_error(scores[t].confidence, scores[t].classes[:, 0] == targets[t])
        for t in run.config.tasks
    )


def _scored(g: Group) -> Iterable[tuple[Row, list[RunResult]]]:
    """The rows with the runs that keep scores, where some do."""
    for row in g.rows:
        if runs := [run for run in row.runs if run.manifest.scores]:
            yield row, runs


def _tables(judged: Judged) -> list[Table]:
    """The mean over all tasks' images, then every task at the end."""
    g = judged.group
    if not keeps_scores(judged):
        return [words_alone(NONE if g.rows else "No finished run.")]
    last, names = len(g.config.tasks), g.config.tasks
    means, each = [], []
    for row, runs in _scored(g):
        of_last = [_errors(run, last) for run in runs]
        spreads = [
            Spread(tuple(fmean(errors) for errors in of))
            for of in ([_errors(run, 0) for run in runs], of_last)
        ]
        head = (Cell(row.name), Cell(str(len(runs))))
        means.append((*head, *(Cell(s.words(), value=s.mean) for s in spreads)))
        tasks = zip(*of_last, strict=True)
        each.append((*head, *(number(fmean(of)) for of in tasks)))
    header = ("Method", "n", first_row(g.config).capitalize(), "Last")
    return [
        Table(header, tuple(means), "Mean over the tasks"),
        Table(("Method", "n", *names), tuple(each), "Every task after the last one"),
    ]


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per row, number of tasks learned, and task."""
    g = judged.group
    lines: list[tuple[Value, ...]] = []
    for row, runs in _scored(g):
        for learned in range(len(g.config.tasks) + 1):
            columns = zip(*(_errors(run, learned) for run in runs), strict=True)
            for task, values in zip(g.config.tasks, columns, strict=True):
                spread = Spread(values)
                lines.append((row.label, len(runs), learned, task, spread.mean, spread.half))
    return lines


CHAPTER = Chapter(
    "calibration",
    "Calibration",
    "Expected calibration error in per cent, lower is better: how far the softmax of the predicted class, over "
    "all classes that are chosen between, is from the share of right predictions, in 15 bins of equal width (Guo "
    "et al. 2017). n: seeds that keep scores (--scores).",
    _tables,
    ("method", "n", "learned_tasks", "task", "calibration_error", "calibration_error_interval95"),
    _lines,
)
