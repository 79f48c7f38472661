"""A written run whose last row is replaced by one that the test decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from written_run import write_row

from cl_bench.benchmark.record import RunFolder, read_run
from cl_bench.benchmark.records.ledger import write_ledger


def rewrite(path: Path, right: int, start: int = 0) -> None:
    """Let the finished run classify ``right`` images of every task right, from ``start`` on."""
    run = read_run(path)
    predicted = {}
    targets = run.targets()
    for task, true in targets.items():
        hits = np.zeros(len(true), bool)
        hits[start : start + right] = True
        predicted[task] = np.where(hits, true, (true + 1) % 10).astype(np.uint16)
    rows = (*run.matrix.rows[:-1], tuple(100.0 * right / len(t) for t in targets.values()))
    changed = type(run.matrix)(run.matrix.tasks, run.matrix.zero_shot, rows)
    write_row(RunFolder(path), len(rows), predicted, changed)
    write_ledger(path)
