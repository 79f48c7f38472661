"""Whether a run's directory is what was written: by its ledger, or by its log until it has one. No torch."""

from __future__ import annotations

from pathlib import Path

from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records import ledger, trail
from cl_bench.benchmark.records.manifest import read_manifest


def damage(run: Path, *, checkpoints: bool) -> list[str]:
    """Everything in a run's directory that is not as it was written, in words.

    A run from before ledgers has nothing to be checked by: see ``is_checkable``.

    Args:
        run: its directory.
        checkpoints: whether to hash the checkpoints, too.
    """
    try:
        if is_sealed(run):
            return ledger.differences(run, checkpoints=checkpoints)
        manifest = read_manifest(run)
        if manifest.ledger is None:
            return []
        if manifest.status == "finished":
            return [
                f"{run / ledger.NAME} is missing: it was deleted, or the run was killed just "
                f"before it wrote it; `cl-bench resume {run}` checks the run and writes it"
            ]
        return trail.departures(run, checkpoints=checkpoints)
    except UserError as error:
        return [str(error)]


def must_be_whole(run: Path, *, checkpoints: bool = False) -> None:
    """Raise ``UserError`` where something in the run's directory is damaged."""
    if words := damage(run, checkpoints=checkpoints):
        raise UserError("; ".join(words))


def is_sealed(run: Path) -> bool:
    """Whether the run has its ledger."""
    return (run / ledger.NAME).is_file()


def is_checkable(run: Path) -> bool:
    """Whether the run was made since runs get ledgers.

    Raises:
        UserError: its manifest is missing or damaged.
    """
    return is_sealed(run) or read_manifest(run).ledger is not None
