"""The accuracy matrix on disk: ``matrix.csv``, and ``matrix.json`` with its metrics. No torch."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.records.files import read_bounded, read_json, write_atomically, write_json

ZERO_SHOT = "zero-shot"  # the matrix's first row: before anything was learned


def write_matrix(folder: Path, matrix: AccuracyMatrix) -> None:
    """Write both files; a row counts once it stands in ``matrix.csv``, which comes last."""
    write_json(
        folder / "matrix.json",
        {
            "tasks": matrix.tasks,
            "zero_shot": matrix.zero_shot,
            "rows": matrix.rows,
            "metrics": matrix.metrics(),
        },
    )
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["learned", *matrix.tasks])
    for name, row in zip(
        (ZERO_SHOT, *matrix.tasks), (matrix.zero_shot, *matrix.rows), strict=False
    ):
        writer.writerow([name, *map(repr, row)])
    write_atomically(folder / "matrix.csv", table.getvalue().encode())


def read_matrix(path: Path) -> AccuracyMatrix:
    """Read ``matrix.csv``.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        text = read_bounded(path).decode()
        header, zero_shot, *rows = csv.reader(io.StringIO(text, newline=""))
        values = [tuple(float(a) for a in row[1:]) for row in (zero_shot, *rows)]
        names = [row[0] for row in (zero_shot, *rows)]
        if header[0] != "learned" or names != [ZERO_SHOT, *header[1:]][: len(names)]:
            raise ValueError("its row names do not fit its columns")
        return AccuracyMatrix(tuple(header[1:]), values[0], tuple(values[1:]))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: the run has no results yet") from error
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise UserError(f"{path} is damaged: {error}") from error


def must_agree(folder: Path, matrix: AccuracyMatrix) -> None:
    """Raise ``UserError`` where ``matrix.json`` holds other accuracies than ``matrix``.

    A kill between the two writes leaves ``matrix.json`` one row ahead.
    """
    summary = read_json(folder / "matrix.json")
    listed = summary.get("rows")
    rows = listed[: len(matrix.rows)] if isinstance(listed, list) else None
    same = (summary.get("tasks"), summary.get("zero_shot"), rows) == (
        list(matrix.tasks),
        list(matrix.zero_shot),
        [list(row) for row in matrix.rows],
    )
    if not same:
        raise UserError(f"{folder}: matrix.csv and matrix.json hold different accuracies")
