"""How many settings were given for single tasks: a column beside each row, and a note of which."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from cl_bench.reports.runs.row import Row
from cl_bench.reports.tables.table import Cell, number

FITTED = "Fitted per task"


def fitted_cell(row: Row) -> Cell:
    """The number; a dash where a run was made before it was recorded."""
    found = fitted_total(row)
    return Cell("-") if found is None else number(found, str)


def fitted_total(row: Row) -> int | None:
    """How many values; of a row's runs, which differ in seed alone, the first is looked at."""
    counts = [run.config.fitted_per_task for run in row.runs]
    known = [of for of in counts if of is not None]
    return sum(known[0].values()) if len(known) == len(counts) else None


def fitted_notes(rows: Sequence[Row]) -> Iterator[str]:
    """One line for each row with such settings: which, and of how many tasks."""
    for row in rows:
        config = row.runs[0].config
        if fitted_total(row):
            of = (config.fitted_per_task or {}).items()
            words = " and ".join(f"{setting} of {count}" for setting, count in of)
            yield f"{row.label}: settings fitted per task: {words} of {len(config.tasks)} tasks"
