"""Transfer, Average, Last, forgetting, backward and forward transfer of every single task."""

from __future__ import annotations

from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.reports.runs.group import Group
from cl_bench.reports.runs.metrics import MAIN, METRICS
from cl_bench.reports.runs.names import short_names
from cl_bench.reports.runs.row import Row
from cl_bench.reports.statistics.spread import Spread
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.table import Cell, Table, number, words_alone

PER_TASK = (*MAIN, "forgetting", "backward_transfer", "forward_transfer")


def _tables(judged: Judged) -> list[Table]:
    """One table per metric: methods down, tasks across."""
    g = judged.group
    if not g.rows:
        return [words_alone("No finished run.")]
    alone = len(g.config.tasks) == 1
    return [_table(g, f) for f in PER_TASK if not alone or f in ("average", "last")]


def _table(g: Group, metric: str) -> Table:
    rows = []
    for row in g.rows:
        of_tasks = (Spread(values).mean for values in values_per_task(row, metric))
        means = (*of_tasks, row.mean(metric))
        rows.append((Cell(row.name), Cell(str(len(row.runs))), *map(number, means)))
    header = ("Method", "n", *short_names(g.config.tasks), "Mean")
    return Table(header, tuple(rows), METRICS[metric])


def values_per_task(row: Row, metric: str) -> list[tuple[float, ...]]:
    """Per task, the metric of every seed; empty where it, or the row's own metric, does not exist."""
    if not row.values(metric):
        return [() for _ in row.runs[0].matrix.tasks]
    columns = zip(*(_of_run(run.matrix, metric) for run in row.runs), strict=True)
    return [tuple(value for value in column if value is not None) for column in columns]


def _of_run(matrix: AccuracyMatrix, metric: str) -> tuple[float | None, ...]:
    """The metric of every task: nothing is learned before the first, nor after the last one."""
    match metric:
        case "transfer":
            return (None, *matrix.transfer_per_task)
        case "forgetting":
            return (*matrix.forgetting_per_task, None)
        case "backward_transfer":
            return (*matrix.backward_transfer_per_task, None)
        case "forward_transfer":
            return (None, *matrix.forward_transfer_per_task)
        case "average":
            return matrix.average_per_task
        case _:
            return matrix.last_per_task


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per row and task: mean and interval of every metric."""
    g = judged.group
    return [line for row in g.rows for line in _lines_of(row, g.config.tasks)]


def _lines_of(row: Row, tasks: tuple[str, ...]) -> list[tuple[Value, ...]]:
    metrics = zip(*(values_per_task(row, metric) for metric in PER_TASK), strict=True)
    return [
        (
            row.label,
            len(row.runs),
            position,
            task,
            *(cell for v in of_task for s in [Spread(v)] for cell in (s.mean, s.half)),
        )
        for position, (task, of_task) in enumerate(zip(tasks, metrics, strict=True), 1)
    ]


CHAPTER = Chapter(
    "per_task",
    "Results per task",
    "Accuracies in per cent, forgetting, BWT and FWT in points; means over seeds.",
    _tables,
    (
        "method", "n", "position", "task",
        *(name for metric in PER_TASK for name in (metric, f"{metric}_interval95")),
    ),
    _lines,
)  # fmt: skip
