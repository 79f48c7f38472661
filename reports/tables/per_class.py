"""Every class of runs with rare classes or tasks: its training images and its accuracy."""

from __future__ import annotations

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.classes import MOMENTS, classes_of, is_imbalanced
from cl_bench.reports.runs.names import first_row
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.imbalance import NO_RUNS
from cl_bench.reports.tables.table import Cell, Table, number, words_alone


def _tables(judged: Judged) -> list[Table]:
    """One table per run: each seed draws who is frequent."""
    if not is_imbalanced(judged.group):
        return [words_alone(NO_RUNS)]
    made = [_table(row.name, run) for row in judged.group.rows for run in row.runs]
    return made or [words_alone("No finished run.")]


def _table(name: str, run: RunResult) -> Table:
    rows = tuple(
        (
            Cell(c.name),
            Cell(c.task),
            Cell(c.frequency),
            Cell(f"{c.train:,}", value=c.train),
            *(number(c.accuracies[moment]) for moment in MOMENTS),
        )
        for c in classes_of(run)
    )
    first = first_row(run.config).capitalize()
    header = ("Class", "Task", "Part", "Training images", first, "Learned", "Last")
    return Table(header, rows, f"{name}, seed {run.config.seed}", frozenset({1, 2}))


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per run and class."""
    if not is_imbalanced(judged.group):
        return []
    return [
        (
            row.label, run.config.seed, run.config.digest(), c.task, c.name, c.train, c.test, c.frequency,
            *(c.accuracies[moment] for moment in MOMENTS),
        )
        for row in judged.group.rows
        for run in row.runs
        for c in classes_of(run)
    ]  # fmt: skip


CHAPTER = Chapter(
    "per_class",
    "Results per class",
    "Training images of each class in this run, and accuracies in per cent: zero-shot, right after the class's "
    "task was learned, and after the last task. The part is the third of the classes by training images.",
    _tables,
    (
        "method",
        "seed",
        "digest",
        "task",
        "class",
        "training_images",
        "test_images",
        "part",
        *MOMENTS,
    ),
    _lines,
)
