"""What becomes of a long stream along its tasks: accuracies so far, time, memory, protected dimensions."""

from __future__ import annotations

from cl_bench.reports.runs.along import LONG, QUANTITIES, along, growth, is_long, marks
from cl_bench.reports.runs.machines import why_times_differ
from cl_bench.reports.runs.numbers import plain, signed
from cl_bench.reports.runs.row import Row
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.table import Cell, Table, number, words_alone


def _tables(judged: Judged) -> list[Table]:
    """One table for every row of the group, and one of what grows."""
    g = judged.group
    if not is_long(g) or not g.rows:
        return [words_alone(f"Fewer than {LONG} tasks." if g.rows else "No finished run.")]
    reason = why_times_differ(run for row in g.rows for run in row.runs)
    notes = (f"The times do not compare: {reason}",) if reason else ()
    return [*(_of_row(row) for row in g.rows), _growth(g.rows, notes)]


def _of_row(row: Row) -> Table:
    """One line for some numbers of learned tasks."""
    curves = {name: along(row, name) for name in QUANTITIES}
    known = {name: curve for name, curve in curves.items() if curve}
    rows = [
        (
            Cell(str(learned), value=learned),
            *(
                number(curve[learned - 1], lambda v, n=name: plain(v, QUANTITIES[n].digits))  # type: ignore[misc]
                for name, curve in known.items()
            ),
        )
        for learned in marks(len(row.runs[0].matrix.tasks))
    ]
    header = ("Tasks learned", *(QUANTITIES[name].title for name in known))
    return Table(
        header, tuple(rows), f"{row.name}, {len(row.runs)} seeds" if len(row.runs) > 1 else row.name
    )


def _growth(rows: tuple[Row, ...], notes: tuple[str, ...]) -> Table:
    """What a task adds, by a straight line."""
    names = [name for name, quantity in QUANTITIES.items() if quantity.grows]
    lines = tuple(
        (Cell(row.name), Cell(str(len(row.runs))), *(_grown(along(row, name)) for name in names))
        for row in rows
    )
    header = ("Method", "n", *(QUANTITIES[name].title for name in names))
    return Table(header, lines, "Growth per task", notes=notes)


def _grown(curve: list[float]) -> Cell:
    if not curve:
        return Cell("-")
    slope, half = growth(curve)
    return Cell(f"{signed(slope, 4)} ± {plain(half, 4)}", value=slope)


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per row and number of tasks learned."""
    g = judged.group
    if not is_long(g):
        return []
    return [line for row in g.rows for line in _lines_of(row, g.config.tasks)]


def _lines_of(row: Row, tasks: tuple[str, ...]) -> list[tuple[Value, ...]]:
    curves = [along(row, name) for name in QUANTITIES]
    return [
        (row.label, len(row.runs), i + 1, task, *(curve[i] if curve else None for curve in curves))
        for i, task in enumerate(tasks)
    ]


CHAPTER = Chapter(
    "along",
    "Along the tasks",
    f"Runs of {LONG} tasks or more, after some of their tasks; the CSV file has all of them. Transfer: on the tasks not "
    "learned first, over the rows so far; Last: mean of the tasks learned so far. Seconds: of learning that task, "
    "without evaluation. Memory: the GPU's highest use until then since the process began, of a run without one the process's. Protected: "
    "dimensions, mean over the matrices of a tower. Growth: slope of a straight line through all tasks but the first, "
    "with its 95 % interval. Means over seeds.",
    _tables,
    ("method", "n", "learned_tasks", "task", *QUANTITIES),
    _lines,
)
