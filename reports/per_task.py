"""Transfer, Average, Last, forgetting and backward transfer of every single task."""

from __future__ import annotations

from collections.abc import Sequence

from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.reports import escape
from cl_bench.reports.compare import FIGURES, Group, Row, interval, mean
from cl_bench.reports.names import short_names
from cl_bench.reports.tables import GROUP_HEADER, Cell, group_cells, markdown_heading, to_csv

PER_TASK = ("transfer", "average", "last", "forgetting", "backward_transfer")


def markdown(groups: Sequence[Group]) -> str:
    """One section per group and one table per figure in it: methods down, tasks across."""
    lines = ["# Results per task", "", "Accuracies in per cent, means over seeds."]
    for g in groups:
        lines += ["", *markdown_heading(g)]
        if not g.rows:
            lines += ["No finished run."]
            continue
        alone = len(g.config.tasks) == 1
        tables = [_table(g, f) for f in PER_TASK if not alone or f in ("average", "last")]
        lines += [line for table in tables for line in (*table, "")][:-1]
    return "\n".join(lines) + "\n"


def _table(g: Group, figure: str) -> list[str]:
    names = [escape.markdown(name) for name in short_names(g.config.tasks)]
    lines = [f"### {FIGURES[figure]}", "", f"| Method | n | {' | '.join(names)} | Mean |"]
    lines += ["| --- | --: |" + " --: |" * (len(names) + 1)]
    for row in g.rows:
        means = [*(mean(values) for values in _values(row, figure)), row.mean(figure)]
        cells = ["-" if m is None else f"{m:.1f}" for m in means]
        lines += [f"| {escape.markdown(row.label)} | {len(row.runs)} | {' | '.join(cells)} |"]
    return lines


def _values(row: Row, figure: str) -> list[list[float]]:
    """Per task, the figure of every seed; empty where it does not exist."""
    columns = zip(*(_of_run(run.matrix, figure) for run in row.runs), strict=True)
    return [[value for value in column if value is not None] for column in columns]


def _of_run(matrix: AccuracyMatrix, figure: str) -> tuple[float | None, ...]:
    """The figure of every task: nothing is learned before the first, nor after the last one."""
    match figure:
        case "transfer":
            return (None, *matrix.transfer_per_task)
        case "forgetting":
            return (*matrix.forgetting_per_task, None)
        case "backward_transfer":
            pairs = zip(matrix.last_per_task[:-1], matrix.learned_per_task[:-1], strict=True)
            return (*(last - learned for last, learned in pairs), None)
        case "average":
            return matrix.average_per_task
        case _:
            return matrix.last_per_task


def to_table_csv(groups: Sequence[Group]) -> str:
    """One line per row and task: mean and interval of the three figures, full precision."""
    names = [name for figure in PER_TASK for name in (figure, f"{figure}_interval95")]
    lines = [line for g in groups for row in g.rows for line in _lines(g, row)]
    return to_csv((*GROUP_HEADER, "method", "n", "position", "task", *names), lines)


def _lines(g: Group, row: Row) -> list[tuple[Cell, ...]]:
    figures = zip(*(_values(row, figure) for figure in PER_TASK), strict=True)
    return [
        (
            *group_cells(g),
            row.label,
            len(row.runs),
            position,
            task,
            *(cell for v in of_task for cell in (mean(v), interval(v))),
        )
        for position, (task, of_task) in enumerate(zip(g.config.tasks, figures, strict=True), 1)
    ]
