"""A run's directory: written while it runs, read by reports. No torch."""

from __future__ import annotations

import csv
import io
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import AccuracyMatrix

ZERO_SHOT = "zero-shot"  # the matrix's first row: before anything was learned


def write_atomically(path: Path, content: bytes) -> None:
    """Replace ``path`` by ``content``: a kill at any moment leaves the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON atomically."""
    write_atomically(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """Read a table in JSON.

    Raises:
        UserError: the file is missing, damaged, or holds something else; names it.
    """
    try:
        content = json.loads(path.read_text())
        if not isinstance(content, dict):
            raise ValueError("it holds no table")
        return content
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: {path.parent} is not a whole run") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} is damaged: {error}") from error


class RunFolder:
    """Writes a run's directory. A task counts once its row of the matrix exists."""

    def __init__(self, path: Path) -> None:
        """Name the directory; nothing is made yet."""
        self.path = path
        self.matrix_csv = path / "matrix.csv"
        self.events = path / "events.jsonl"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory against other processes; the system lets go if this one dies.

        Raises:
            UserError: another living process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        try:
            with filelock.FileLock(self.path / ".lock", timeout=0):
                yield
        except filelock.Timeout as error:
            raise UserError(f"{self.path} is in use by another process that is running") from error

    def checkpoint(self, learned: int) -> Path:
        """The file of the method's state after ``learned`` tasks."""
        return self.path / "checkpoints" / f"after-{learned:02d}.safetensors"

    def log(self, event: str, **values: Any) -> dict[str, Any]:
        """Append one event, durably; returns it."""
        record = {"event": event, "time": round(time.time(), 3), **values}
        with self.events.open("a") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())
        return record

    def cut_log(self, learned: int) -> None:
        """Cut the log back to the row after ``learned`` tasks: a repeated task is logged once.

        Negative: back to the run's first event.
        """
        kept = []
        for line in self.events.read_bytes().splitlines(keepends=True):
            try:
                event = json.loads(line)
            except ValueError:
                break  # a kill cut the line off
            kept.append(line)
            if event["event"] == ("evaluated" if learned >= 0 else "started") and (
                event.get("learned", -1) == learned
            ):
                break
        write_atomically(self.events, b"".join(kept))

    def write_targets(self, targets: Mapping[str, NDArray[np.uint16]]) -> None:
        """Keep the true classes of every test image, per task."""
        _write_arrays(self.path / "predictions" / "targets.npz", targets)

    def write_shots(self, rows: Mapping[str, NDArray[np.int64]]) -> None:
        """Keep which images of every data set a few-shot run trains on."""
        _write_arrays(self.path / "shots.npz", rows)

    def write_row(
        self, learned: int, predictions: Mapping[str, NDArray[np.uint16]], matrix: AccuracyMatrix
    ) -> None:
        """Keep the predictions of a row, then the matrix that ends with it: the row now counts."""
        _write_arrays(self.path / "predictions" / f"after-{learned:02d}.npz", predictions)
        write_json(
            self.path / "matrix.json",
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
        write_atomically(self.matrix_csv, table.getvalue().encode())


def _write_arrays(path: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    write_atomically(path, buffer.getvalue())


def read_matrix(path: Path) -> AccuracyMatrix:
    """Read ``matrix.csv``.

    Raises:
        UserError: the file is missing or damaged.
    """
    try:
        header, zero_shot, *rows = csv.reader(io.StringIO(path.read_text(), newline=""))
        values = [tuple(float(a) for a in row[1:]) for row in (zero_shot, *rows)]
        names = [row[0] for row in (zero_shot, *rows)]
        if header[0] != "learned" or names != [ZERO_SHOT, *header[1:]][: len(names)]:
            raise ValueError("its row names do not fit its columns")
        return AccuracyMatrix(tuple(header[1:]), values[0], tuple(values[1:]))
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: the run has no results yet") from error
    except (OSError, ValueError, IndexError) as error:
        raise UserError(f"{path} is damaged: {error}") from error


@dataclass(frozen=True)
class RunResult:
    """A run as reports read it.

    Attributes:
        path: its directory.
        config: everything that was resolved before it began.
        manifest: provenance and status.
        matrix: the accuracies so far.
    """

    path: Path
    config: RunConfig
    manifest: dict[str, Any]
    matrix: AccuracyMatrix

    @property
    def finished(self) -> bool:
        """Whether every task was learned and the run ended well."""
        return self.manifest.get("status") == "finished" and self.matrix.complete

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was found in the data when the run began, one line each."""
        found = self.manifest.get("remarks", [])
        return tuple(map(str, found)) if isinstance(found, list) else ()

    @property
    def picture(self) -> Path:
        """Where the matrix is drawn."""
        return self.path / "matrix.png"

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """Every whole line of ``events.jsonl``; a line cut off by a kill is left out."""
        events = []
        for line in (self.path / "events.jsonl").read_text().splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                break
        return events

    def predictions(self, learned: int) -> dict[str, NDArray[np.uint16]]:
        """Predicted class per test image and task after ``learned`` tasks (0: zero-shot)."""
        return _read_arrays(self.path / "predictions" / f"after-{learned:02d}.npz")

    def targets(self) -> dict[str, NDArray[np.uint16]]:
        """True class per test image and task."""
        return _read_arrays(self.path / "predictions" / "targets.npz")


def _read_arrays(path: Path) -> dict[str, NDArray[np.uint16]]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing") from error
    except Exception as error:  # numpy raises whatever its zip reader does
        raise UserError(f"{path} is damaged: {error}") from error


def read_config(path: Path) -> RunConfig:
    """Read ``config.json`` of the run directory ``path``.

    Raises:
        UserError: it is missing, damaged, or of another version of these files.
    """
    raw = read_json(path / "config.json")
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{path / 'config.json'} was made by another version of cl-bench or is damaged: "
            f"{where}: {first['msg']}"
        ) from error


def read_run(path: Path) -> RunResult:
    """Read a run's directory.

    Raises:
        UserError: a file is missing or damaged; names it.
    """
    config = read_config(path)
    manifest = read_json(path / "manifest.json")
    matrix = read_matrix(path / "matrix.csv")
    _check_agreement(path, config, manifest, matrix)
    return RunResult(path, config, manifest, matrix)


def _check_agreement(
    path: Path, config: RunConfig, manifest: dict[str, Any], matrix: AccuracyMatrix
) -> None:
    """Raise where the files of a run contradict each other."""
    if matrix.tasks != config.tasks:
        raise UserError(f"{path}: matrix.csv and config.json name different tasks")
    summary = read_json(path / "matrix.json")
    rows = [list(row) for row in matrix.rows]
    # A kill between the two writes leaves matrix.json one row ahead.
    same = summary.get("zero_shot") == list(matrix.zero_shot) and (
        summary.get("rows", [])[: len(rows)] == rows
    )
    if not same:
        raise UserError(f"{path}: matrix.csv and matrix.json hold different accuracies")
    if manifest.get("status") == "finished" and not matrix.complete:
        raise UserError(f"{path / 'matrix.csv'} is damaged: rows of a finished run are missing")


def check_run(path: Path) -> list[str]:
    """Everything wrong with a run's directory, in words; empty where it is whole.

    The accuracies are computed again from the predictions and compared with the matrix.
    """
    try:
        run = read_run(path)
        targets = run.targets()
    except UserError as error:
        return [str(error)]
    problems = []
    if not run.finished:
        problems.append(f"{path} is not finished: status {run.manifest.get('status')!r}")
    for learned, row in enumerate((run.matrix.zero_shot, *run.matrix.rows)):
        try:
            predictions = run.predictions(learned)
            again = [
                100.0 * int((predictions[t] == targets[t]).sum()) / len(targets[t])
                for t in run.matrix.tasks
            ]
        except (UserError, KeyError) as error:
            problems.append(f"row {learned}: {error}")
            continue
        if list(row) != again:
            problems.append(f"row {learned} of matrix.csv does not follow from its predictions")
    if run.matrix.rows and not RunFolder(path).checkpoint(len(run.matrix.rows)).is_file():
        problems.append(f"{RunFolder(path).checkpoint(len(run.matrix.rows))} is missing")
    return problems
