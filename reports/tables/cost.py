"""What each method of a group costs: parameters, bytes, seconds by phase, memory."""

from __future__ import annotations

from cl_bench.reports.runs.cost import PHASES, Cost
from cl_bench.reports.runs.machines import why_times_differ
from cl_bench.reports.runs.numbers import grouped, plain, rounded
from cl_bench.reports.statistics.verdicts import Judged
from cl_bench.reports.tables.chapter import Chapter
from cl_bench.reports.tables.csv_file import Value
from cl_bench.reports.tables.table import Cell, Table, number, words_alone

COLUMNS = {
    "trainable_parameters": "Trainable",
    "stored_parameters": "Stored",
    "bytes_added": "Growth a task (MiB)",
    "kept_bytes": "Kept images (MiB)",
    **{f"{phase}_seconds": f"{phase.capitalize()} (s)" for phase in PHASES},
    "images_drawn": "Images drawn",
    "step_flops": "GFLOPs a step",
    "matrix_share": "Matrix rate (%)",
    "process_memory": "Memory (GiB)",
    "gpu_memory": "GPU memory (GiB)",
}
NOT_OF_ALL = ("kept_bytes", "matrix_share")  # columns that would often be empty
UNITS = {
    "step_flops": 10**9, "bytes_added": 2**20, "kept_bytes": 2**20, "process_memory": 2**30,
    "gpu_memory": 2**30, "matrix_share": 0.01,
}  # fmt: skip
READING = (
    "Means over the seeds; a dash where one of them did not record it. Trainable: parameters that train in one task, the mean over tasks. Stored: "
    "numbers that differ from the pretrained weights or come on top, at the end. Growth: what a task adds to "
    "the checkpoint, from the second task on. Kept images: those of learned tasks that the method keeps, at "
    "the end, as 8-bit pixels; there is no such column where no method keeps any. GFLOPs a step: of the loss and its gradient in a task's first "
    "step, as torch counts matrix products, convolutions and attention; what is computed before training "
    "is not in it. Matrix rate: the share of the rate of a ViT-B/16's largest matrix product, measured on the same device "
    "in the run's precision, that training reached; whatever else computed there lowers both; "
    "there is no such column where no run measured it. Seconds: of all tasks together, on the machine that ran "
    "them; runs of different machines, or under different load, do not compare. Memory: the process's "
    "highest use."
)


def _tables(judged: Judged) -> list[Table]:
    """One table: methods down, costs across."""
    if not judged.group.rows:
        return [words_alone("No finished run.")]
    costs = [Cost.of_runs(row.runs) for row in judged.group.rows]
    idle = {name for name in NOT_OF_ALL if not any(getattr(cost, name) for cost in costs)}
    columns = {name: title for name, title in COLUMNS.items() if name not in idle}
    rows = []
    for row, cost in zip(judged.group.rows, costs, strict=True):
        cells = (_shown(name, getattr(cost, name)) for name in columns)
        rows.append((Cell(row.name), Cell(str(len(row.runs))), *cells))
    reason = why_times_differ(run for row in judged.group.rows for run in row.runs)
    notes = (f"The times do not compare: {reason}",) if reason else ()
    return [Table(("Method", "n", *columns.values()), tuple(rows), notes=notes)]


def _lines(judged: Judged) -> list[tuple[Value, ...]]:
    """One line per row; parameters, bytes and seconds."""
    found = [(row, Cost.of_runs(row.runs)) for row in judged.group.rows]
    return [
        (row.label, len(row.runs), *(_carried(name, getattr(cost, name)) for name in COLUMNS))
        for row, cost in found
    ]


def _carried(name: str, value: float | None) -> float | None:
    """Whole parameters, bytes, images and operations; seconds to a hundredth."""
    if value is None:
        return None
    if name == "matrix_share":
        return rounded(value, 4)
    return rounded(value, 2) if name.endswith("_seconds") else round(value)


def _shown(name: str, value: float | None) -> Cell:
    if value is None or name not in UNITS:
        return number(value, grouped)
    return Cell(plain(value / UNITS[name], 2), value=value)


CHAPTER = Chapter("cost", "Cost", READING, _tables, ("method", "n", *COLUMNS), _lines)
