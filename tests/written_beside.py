"""A written run that was evaluated on held-out and retrieval sets, too: what it got right, the test decides."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from written_run import write_run

from cl_bench.benchmark.recall import Ranks, as_arrays
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.records.ledger import write_ledger

SETS = ("signs", "boards")  # held out, of 40 images each
ALBUM = "album"  # of 40 pictures, three captions each
IMAGES, CAPTIONS = 40, 3
ROWS = 4  # zero-shot and after each of three tasks


def write_run_beside(
    root: Path, method: str, seed: int, right: Sequence[int], found: Sequence[int], **changes: Any
) -> Path:
    """Write a finished run of three tasks.

    Args:
        root: the folder of runs.
        method: its name.
        seed: of the run.
        right: for each of the rows, how many images of every held-out set are classified right.
        found: for each of the rows, of how many pictures image and captions find each other first.
        changes: other fields of the configuration.
    """
    sets = {"held_out": dict.fromkeys(SETS, "a" * 12), "retrieval": {ALBUM: "b" * 12}}
    path = write_run(root, method, seed, **sets, **changes)
    folder = RunFolder(path)
    true = {name: np.arange(IMAGES, dtype=np.uint16) % 10 for name in SETS}
    folder.write_held_out(folder.held_out_targets, true)
    pictures = {ALBUM: np.repeat(np.arange(IMAGES, dtype=np.uint32), CAPTIONS)}
    folder.write_retrieval(folder.retrieval_pictures, pictures)
    beside = []
    for row, (hits, pairs) in enumerate(zip(right, found, strict=True)):
        of_images = np.arange(IMAGES) < hits
        guesses = {
            n: np.where(of_images, t, (t + 1) % 10).astype(np.uint16) for n, t in true.items()
        }
        folder.write_held_out(folder.held_out(row), guesses)
        ranks = Ranks(_ranks(IMAGES, pairs), _ranks(IMAGES * CAPTIONS, pairs * CAPTIONS))
        folder.write_retrieval(folder.retrieval(row), as_arrays({ALBUM: ranks}))
        share = 100.0 * hits / IMAGES
        beside.append(
            {"held_out": dict.fromkeys(SETS, share), "retrieval": {ALBUM: ranks.recalls()}}
        )
    _into_the_log(folder, beside)
    write_ledger(path)
    return path


def _ranks(count: int, first: int) -> NDArray[np.uint32]:
    """Of so many, the first ones have rank 1 and the others 2."""
    return np.where(np.arange(count) < first, 1, 2).astype(np.uint32)


def _into_the_log(folder: RunFolder, beside: list[dict[str, Any]]) -> None:
    lines = [json.loads(line) for line in folder.events.read_text().splitlines()]
    rows = iter(beside)
    logged = [line | next(rows) if line["event"] == "evaluated" else line for line in lines]
    folder.events.write_text("".join(json.dumps(line) + "\n" for line in logged))
