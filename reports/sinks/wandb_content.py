"""What W&B is sent of a finished run: its matrix, its predictions and its record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.record import RunResult
from cl_bench.reports.runs.names import first_row
from cl_bench.reports.sinks.predictions import COLUMNS, Class, prediction_rows

if TYPE_CHECKING:
    import wandb

RECORD = (
    "config.json",
    "manifest.json",
    "matrix.csv",
    "matrix.json",
    "events.jsonl",
    "predictions",
)
BESIDE_TASKS = (
    "held_out",
    "retrieval",
)  # folders of what is evaluated beside the tasks, where there is any


def matrix_table(result: RunResult) -> wandb.Table:
    """The accuracy matrix with its row names."""
    import wandb

    names = [first_row(result.config), *result.matrix.tasks]
    rows = [result.matrix.zero_shot, *result.matrix.rows]
    data = [[name, *row] for name, row in zip(names, rows, strict=False)]
    return wandb.Table(columns=["learned", *result.matrix.tasks], data=data)


def predictions_table(result: RunResult, classes: Mapping[str, Sequence[Class]]) -> wandb.Table:
    """Every test image with its true and its predicted class."""
    import wandb

    rows = [list(row) for row in prediction_rows(result, classes)]
    # W&B cuts longer tables off without a word
    wandb.Table.MAX_ROWS = max(wandb.Table.MAX_ROWS, len(rows))
    wandb.Table.MAX_ARTIFACT_ROWS = max(wandb.Table.MAX_ARTIFACT_ROWS, len(rows))
    return wandb.Table(columns=list(COLUMNS), data=rows)


def record_of(
    result: RunResult, name: str, checkpoints: bool, report: Path | None
) -> wandb.Artifact:
    """The run's files as an artifact, with the whole configuration and manifest."""
    import wandb

    artifact = wandb.Artifact(name, type="run")
    beside = [folder for folder in BESIDE_TASKS if getattr(result.config, folder)]
    states = ["checkpoints"] if checkpoints and (result.path / "checkpoints").is_dir() else []
    for path in (result.path / n for n in (*RECORD, *beside, *states)):
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            artifact.add_file(str(file), file.relative_to(result.path).as_posix())
    if report is not None:
        artifact.add_file(str(report), "report.html")
    return artifact
