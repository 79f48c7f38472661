"""A run's directory written without training: drawn accuracies, a log, predictions that fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from cl_bench.benchmark.config import Backbone, Budget, Protocol, Recipe, RunConfig, SuiteId
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.record import RunFolder, write_json
from cl_bench.benchmark.records.events import (
    Evaluated,
    Event,
    Finished,
    Learned,
    Saved,
    Started,
    Step,
)
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.benchmark.records.matrix_file import write_matrix

SESSION = {
    "started": "2026-01-02T03:04:05+00:00",
    "command": ["cl-bench", "run"],
    "cl_bench": "0.1.0",
    "git": {"commit": "0123456789abcdef", "dirty": False},
    "python": "3.11.7",
    "hardware": {"cpu": "a processor", "cores": 2, "device": "cpu"},
}


def write_run(
    root: Path,
    method: str = "lora",
    seed: int = 0,
    tasks: tuple[str, ...] = ("toy-a", "toy-b", "toy-c"),
    learned: int | None = None,
    images: int = 40,
    subspaces: bool = False,
    sealed: bool = True,
    **changes: Any,
) -> Path:
    """Write a run that has learned so many tasks (default: all), drawn from its method and seed.

    Who changes a finished one by right calls ``write_ledger`` after it.

    Args:
        root: the folder of runs.
        method: its name; decides the accuracies together with the seed.
        seed: of the run.
        tasks: their names in order.
        learned: fewer than all leaves the run unfinished.
        images: test images of a task.
        subspaces: whether the method logs protected dimensions.
        sealed: whether a finished run has its ledger; without, it is as runs were before ledgers.
        changes: other fields of the configuration.
    """
    draw = np.random.default_rng([seed, *method.encode()])
    fields: dict[str, Any] = {
        "suite": SuiteId(name="toy", about="toy: tasks without images", digest="d" * 12),
        "backbone": Backbone(name="tiny", weights="none"),
        "protocol": Protocol(),
        "order": "I",
        "tasks": tasks,
        "method": method,
        "method_settings": {"rank": 4},
        "recipe": Recipe(),
        "budget": Budget(batch_size=4, steps=dict.fromkeys(tasks, 10)),
        "seed": seed,
        "device": "cpu",
        "choices": {"method": method},
    }
    config = RunConfig(**(fields | changes))
    folder = RunFolder(root / f"seed{seed}-{config.digest()}")
    folder.path.mkdir(parents=True)
    write_json(folder.path / "config.json", config.model_dump(mode="json"))
    count = len(tasks) if learned is None else learned
    status = "finished" if count == len(tasks) else "running"
    manifest = {"status": status, "sessions": [SESSION], "reason": None}
    if sealed and status == "finished":
        manifest["ledger"] = 1
    write_json(folder.path / "manifest.json", manifest)
    common = np.random.default_rng(images)  # test images and zero-shot model are the same for all
    targets = {t: common.integers(0, 10, images).astype(np.uint16) for t in tasks}
    folder.write_targets(targets)
    rows: list[tuple[float, ...]] = []
    for i in range(count + 1):
        of = draw if i else common
        guesses = {t: _guess(of, targets[t], known=j < i) for j, t in enumerate(tasks)}
        rows.append(tuple(100.0 * int((guesses[t] == targets[t]).sum()) / images for t in tasks))
        write_row(folder, i, guesses, AccuracyMatrix(tasks, rows[0], tuple(rows[1:])))
    _write_log(folder, tasks, rows, draw, subspaces)
    if sealed and status == "finished":
        write_ledger(folder.path)
    return folder.path


def write_row(
    folder: RunFolder, learned: int, predictions: dict[str, np.ndarray], matrix: AccuracyMatrix
) -> None:
    """Write the predictions of a row, and the matrix that ends with it."""
    folder.write_predictions(learned, predictions)
    write_matrix(folder.path, matrix)


def _guess(draw: np.random.Generator, targets: np.ndarray, known: bool) -> np.ndarray:
    """Predictions that are right for about nine or six images of ten."""
    right = draw.random(len(targets)) < (0.9 if known else 0.6)
    return np.where(right, targets, (targets + 1) % 10).astype(np.uint16)


def _write_log(
    folder: RunFolder,
    tasks: tuple[str, ...],
    rows: list[tuple[float, ...]],
    draw: np.random.Generator,
    subspaces: bool,
) -> None:
    """The log of a run before there were check sums, with as many rows as the matrix."""
    digest = folder.path.name.rpartition("-")[2]
    parameters, memory = int(draw.integers(1_000, 1_000_000)), int(draw.integers(2**29, 2**31))
    accuracies = [dict(zip(tasks, row, strict=True)) for row in rows]
    events: list[Event] = [
        Started(schema_version=1, digest=digest),
        Evaluated(learned=0, accuracies=accuracies[0], seconds=1.0),
    ]
    for i, task in enumerate(tasks[: len(rows) - 1], start=1):
        events += [Step(task=task, step=s, steps=10, loss=1.0, lr=0.1) for s in range(1, 11)]
        dimensions: dict[str, float] = {
            f"subspace/{tower}.{block}.{matrix}": int(10 * i + block)
            for tower, blocks in (("v", 4), ("t", 3))
            for block in range(blocks)
            for matrix in "qkvo"
        }
        events += [
            Learned(
                task=task, learned=i, steps=10,
                seconds={"prepare": 0.0, "train": float(draw.uniform(1, 9)), "consolidate": 0.0},
                images_drawn=40, trainable_parameters=parameters,
                peak_memory={"process": memory}, diagnostics=dimensions if subspaces else {},
            ),
            Saved(learned=i, stored_parameters=1000, bytes=4000 * i, bytes_added=4000),
            Evaluated(learned=i, accuracies=accuracies[i], seconds=1.0),
        ]  # fmt: skip
    if len(rows) == len(tasks) + 1:
        metrics = AccuracyMatrix(tasks, rows[0], tuple(rows[1:])).metrics()
        events.append(Finished(metrics=metrics))
    lines = (event.model_dump(exclude_none=True, exclude={"sha256"}) for event in events)
    folder.events.write_text("".join(json.dumps(line) + "\n" for line in lines))
