"""What an unfinished run is checked by: the digests that its log holds of its files. No torch.

``started``, ``saved`` and ``evaluated`` say the SHA-256 of what was written before them.
"""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.records.checkpoints import file_name, kept_after
from cl_bench.benchmark.records.events import Evaluated, Event, Saved, Started, those
from cl_bench.benchmark.records.files import sha256_of
from cl_bench.benchmark.records.ledger import CHECKPOINTS, files_of
from cl_bench.benchmark.records.manifest import read_manifest
from cl_bench.benchmark.records.matrix_file import read_matrix
from cl_bench.benchmark.records.order import must_be_in_order
from cl_bench.benchmark.records.run_log import lines_until


def departures(run: Path, *, checkpoints: bool) -> list[str]:
    """What in the run's directory is not as its log says, in words; empty where it may go on.

    Args:
        run: its directory.
        checkpoints: whether to look at those that are kept: it would go on from the last one.

    Raises:
        UserError: manifest, log or matrix are damaged or missing, or the log's events are out of order.
    """
    matrix = read_matrix(run / "matrix.csv") if (run / "matrix.csv").exists() else None
    rows = (matrix.zero_shot, *matrix.rows) if matrix is not None else ()
    # The matrix was read first: a run that goes on meanwhile only adds to the log.
    events = [event for _, event in lines_until(run / "events.jsonl", len(rows) - 1)]
    if matrix is not None:
        must_be_in_order(run / "events.jsonl", events, matrix.tasks)
    words = []
    said = {event.learned: event.accuracies for event in those(events, Evaluated)}
    for learned, row in enumerate(rows):
        if said.get(learned) != dict(zip(matrix.tasks if matrix else (), row, strict=True)):
            words.append(f"{run / 'matrix.csv'} is damaged: its row {learned} is not the log's")
    return words + _changed(run, events, _kept(run, len(rows) - 1) if checkpoints else frozenset())


def _kept(run: Path, learned: int) -> frozenset[str]:
    """The checkpoints that must be there, by their path below the run's directory."""
    manifest = read_manifest(run)
    kept = kept_after(manifest.keeps, learned, finished=manifest.status == "finished")
    return frozenset(f"{CHECKPOINTS}{file_name(after)}" for after in kept)


def _changed(run: Path, events: list[Event], checkpoints: frozenset[str]) -> list[str]:
    """The files that are missing or are not those that the log saw; of checkpoints these ones."""
    there, words = files_of(run), []
    tables = [e.sha256 for e in events if isinstance(e, Started | Saved | Evaluated)]
    said = {name: digest for table in tables for name, digest in table.items()}
    for name, digest in said.items():
        if name.startswith(CHECKPOINTS) and name not in checkpoints:
            continue  # not looked at, or deleted once a later one was there
        if name not in there:
            words.append(f"{run / name} is missing")
        elif sha256_of(run / name) != digest:
            words.append(f"{run / name} is damaged: its SHA-256 is not the one in the log")
    return words
