"""A checkpoint that a run kept, found for use elsewhere: the one that the run wrote, or none. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.record import RunFolder, RunResult, must_be_whole, open_run
from cl_bench.benchmark.records.checkpoints import kept_after
from cl_bench.benchmark.records.events import Saved, those
from cl_bench.benchmark.records.files import sha256_of


@dataclass(frozen=True)
class KeptCheckpoint:
    """A method's state after some tasks of a run.

    Attributes:
        run: whose it is.
        learned: tasks that were learned then.
        file: where it is.
        sha256: of its bytes, which are those that the run's log saw written.
    """

    run: RunResult
    learned: int
    file: Path
    sha256: str


def find_checkpoint(path: Path, after: int | None) -> KeptCheckpoint:
    """The checkpoint of the run in ``path`` after so many tasks; ``None``: after all that have a row.

    Raises:
        UserError: the folder holds no run or a damaged one, or not that checkpoint; says which there are.
    """
    if not (path / "config.json").is_file():
        raise UserError(f"{path} is no run: a run's directory holds a config.json")
    must_be_whole(path)
    run = open_run(path)
    rows, finished = len(run.matrix.rows), run.manifest.status == "finished"
    if not rows:
        raise UserError(f"{path} has no checkpoint: no task is learned yet")
    learned = rows if after is None else after
    if not 1 <= learned <= rows:
        raise UserError(f"{path} has no checkpoint after {learned} tasks: it has learned {rows}")
    keep = run.manifest.keeps
    kept = kept_after(keep, rows, finished=finished)
    if learned not in kept:
        there = f"it has the one after {', '.join(map(str, kept))}" if kept else "it has none"
        raise UserError(
            f"{path} has no checkpoint after {learned} of its {rows} tasks: it was made with --keep {keep}, and "
            f"{there}; a run with --keep all has all of them"
        )
    return _as_written(run, learned)


def _as_written(run: RunResult, learned: int) -> KeptCheckpoint:
    """The checkpoint, if its bytes are those that the log saw: a ledger knows those of the run's end."""
    file = RunFolder(run.path).checkpoint(learned)
    digest, name = sha256_of(file), file.relative_to(run.path).as_posix()
    said = {e.learned: e.sha256.get(name) for e in those(run.known_events, Saved)}.get(learned)
    if said not in (None, digest):
        raise UserError(f"{file} is damaged: it is not the one that the log saw written")
    return KeptCheckpoint(run, learned, file, digest)
