"""A run's directory is begun, continued, or found finished; nothing damaged is built upon."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cl_bench.benchmark.broken_off import standing
from cl_bench.benchmark.checkpoint import load_checkpoint
from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.mid_task import MidTask
from cl_bench.benchmark.processes.first import by_the_first
from cl_bench.benchmark.question import Question
from cl_bench.benchmark.record import (
    RunFolder,
    RunResult,
    open_run,
    read_config,
    read_matrix,
    read_run,
)
from cl_bench.benchmark.records import damage, trail
from cl_bench.benchmark.records.claims import judged, proofs_of
from cl_bench.benchmark.records.events import Listener, Resumed, Started
from cl_bench.benchmark.records.files import sha256_of, write_atomically
from cl_bench.benchmark.records.keeps import Keeps
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.benchmark.records.manifest import (
    Manifest,
    Session,
    read_manifest,
    write_manifest,
)


def begin(
    folder: RunFolder, question: Question, here: Session, log: Listener, keeps: Keeps
) -> None:
    """Write what a run begins with.

    Args:
        folder: where the run lives.
        question: the run with its data.
        here: the session of this process.
        log: takes the run's first event.
        keeps: what stays of the run.

    Raises:
        UserError: the directory holds results whose manifest is lost.
    """
    if folder.matrix_csv.exists():
        raise UserError(
            f"{folder.path / 'manifest.json'} is missing, though the run has results: put it back, or "
            f"delete {folder.path} to start anew"
        )
    kept = question.write(folder)
    write_atomically(folder.events, b"")
    log(Started(digest=question.config.digest(), sha256=kept))
    about = Manifest(
        status="running",
        digest=question.config.digest(),
        data=question.fingerprints(),
        classes=question.classes(),
        held_out=question.held_out.fingerprints(),
        retrieval=question.retrieval.fingerprints(),
        remarks=tuple(question.stream.remarks),
        left_out=question.left_out(),
        sessions=(here,),
        keep=keeps.checkpoints,
        scores=keeps.scores,
    )
    write_manifest(folder.path, about)  # last: without it the directory counts as empty


def go_on(
    folder: RunFolder, question: Question, here: Session, log: Listener
) -> tuple[AccuracyMatrix | None, MidTask | None]:
    """Check that this process may continue the run, and note that it does.

    Returns:
        The rows that the run has, ``None`` before the first; and where it stands within the next task, if
        that is kept and fits.

    Raises:
        UserError: the run is of another version, of other settings or images, or damaged.
    """
    path, config = folder.path, question.config
    earlier = read_manifest(path)
    made_by = earlier.first.cl_bench
    if made_by != here.cl_bench:
        raise UserError(
            f"{path} was made by cl-bench {made_by}, this is {here.cl_bench}; "
            "finish it with that version or start anew with --out."
        )
    must_be_of(path, config)
    if words := trail.departures(path, checkpoints=True):
        raise UserError(f"the run cannot be continued: {'; '.join(words)}")
    data, held_out = question.fingerprints(), question.held_out.fingerprints()
    retrieval = question.retrieval.fingerprints()
    changed = [name for name in data if data[name] != earlier.data.get(name)]
    changed += [name for name in held_out if held_out[name] != earlier.held_out.get(name)]
    changed += [name for name in retrieval if retrieval[name] != earlier.retrieval.get(name)]
    changed += question.other_clients(folder)
    if changed:
        raise UserError(f"{path}: the images of {', '.join(changed)} are not those it began with")
    matrix = read_matrix(folder.matrix_csv) if folder.matrix_csv.exists() else None
    learned = len(matrix.rows) if matrix else -1  # below 0: not even the zero-shot row
    under_way, reason = standing(folder, config, learned)
    steps = under_way.step if under_way else None
    folder.cut_log(learned, steps or 0)
    sessions = (*earlier.sessions, here)
    write_manifest(path, earlier.model_copy(update={"status": "running", "sessions": sessions}))
    log(Resumed(learned=max(learned, 0), steps_done=steps, set_aside=reason))
    return matrix, under_way


def state_at_the_start(config: RunConfig, file: Path | None) -> dict[str, Any]:
    """What the method begins with: the state in ``file``, or nothing.

    Raises:
        UserError: the file is not the one that the run is to begin with.
    """
    if config.start is None:
        return {}
    if file is None or sha256_of(file) != config.start.sha256:
        raise UserError(f"{file} is not the checkpoint that the run begins with: it has changed")
    return load_checkpoint(file)


def must_be_of(path: Path, config: RunConfig) -> None:
    """Raise ``UserError`` where a directory holds another run than that of ``config``."""
    if read_config(path).digest() != config.digest():
        raise UserError(f"{path / 'config.json'} is damaged, or of another run than this one")


def must_keep_as_begun(path: Path, keeps: Keeps) -> None:
    """Check that what was asked for is what the run in ``path`` keeps, as far as anything was.

    Raises:
        UserError: it keeps something else, and what is gone does not come back.
    """
    begun = read_manifest(path)
    asked = {"keep": (begun.keeps, keeps.checkpoints), "scores": (begun.scores, keeps.scores)}
    for option, (then, now) in asked.items():
        if now not in (None, then):
            said = f"with --{option} {then}" if then else f"without --{option}"
            raise UserError(
                f"{path} was begun {said}, not with --{option} {now}: leave --{option} out to go on with it or "
                "to read it, or start anew with --out"
            )


def finished_run(path: Path) -> RunResult:
    """Read a finished run, its checkpoint checked, too; write its ledger if a kill prevented that.

    Raises:
        UserError: something in it is damaged.
    """
    if damage.is_checkable(path) and not damage.is_sealed(path):
        _seal(path)
    damage.must_be_whole(path, checkpoints=True)
    return read_run(path)


@by_the_first
def finished_run_alone(path: Path) -> RunResult:
    """The same, while nobody else works on the directory.

    Raises:
        UserError: something in it is damaged, or another process works on it.
    """
    with RunFolder(path).locked():
        return finished_run(path)


def _seal(path: Path) -> None:
    """Write the ledger that a kill prevented, if the log and the predictions bear the files out."""
    words = trail.departures(path, checkpoints=True)
    run = open_run(path)
    proofs = (judged(name, prove, run) for name, prove in proofs_of(run).items())
    words += [claim.words for claim in proofs if claim.verdict == "false"]
    if words:
        raise UserError("; ".join(words))
    drop_at_the_end(path)
    write_ledger(path)


def drop_at_the_end(path: Path) -> None:
    """Delete the last checkpoint of a finished run that keeps none."""
    if read_manifest(path).keeps == "none":
        for file in RunFolder(path).checkpoints.glob("after-*.safetensors"):
            file.unlink()
