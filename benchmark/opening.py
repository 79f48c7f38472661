"""A run's directory is begun, continued, or found finished; nothing damaged is built upon."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from cl_bench.benchmark.broken_off import standing
from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.label_spaces import as_stored
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.mid_task import MidTask
from cl_bench.benchmark.processes.first import by_the_first
from cl_bench.benchmark.record import (
    RunFolder,
    RunResult,
    open_run,
    read_config,
    read_matrix,
    read_run,
)
from cl_bench.benchmark.records import damage, trail
from cl_bench.benchmark.records.claims import PROOFS, judged
from cl_bench.benchmark.records.events import Listener, Resumed, Started
from cl_bench.benchmark.records.files import write_atomically, write_json
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.benchmark.records.manifest import (
    ClassImages,
    Fingerprints,
    Manifest,
    Session,
    read_manifest,
    write_manifest,
)
from cl_bench.benchmark.task import TaskStream


def begin(
    folder: RunFolder,
    config: RunConfig,
    stream: TaskStream,
    targets: Mapping[str, Tensor],
    here: Session,
    log: Listener,
) -> None:
    """Write what a run begins with.

    Args:
        folder: where the run lives.
        config: the resolved run.
        stream: its tasks.
        targets: the true classes of every task's test images, int64 [N].
        here: the session of this process.
        log: takes the run's first event.

    Raises:
        UserError: the directory holds results whose manifest is lost.
    """
    if folder.matrix_csv.exists():
        raise UserError(
            f"{folder.path / 'manifest.json'} is missing, though the run has results: put it back, or "
            f"delete {folder.path} to start anew"
        )
    kept = _write_question(folder, config, stream, targets)
    write_atomically(folder.events, b"")
    log(Started(digest=config.digest(), sha256=kept))
    left_out = {
        t.name: (*t.train.left_out, *t.test.left_out)
        for t in stream.tasks
        if t.train.left_out or t.test.left_out
    }
    about = Manifest(
        status="running",
        digest=config.digest(),
        data=_fingerprints(stream),
        classes=_classes(stream) if config.protocol.is_imbalanced else {},
        remarks=tuple(stream.remarks),
        left_out=left_out,
        sessions=(here,),
    )
    write_manifest(folder.path, about)  # last: without it the directory counts as empty


def _write_question(
    folder: RunFolder, config: RunConfig, stream: TaskStream, targets: Mapping[str, Tensor]
) -> dict[str, str]:
    """Write what the run is and what it is scored against; returns the files' SHA-256."""
    config_json = folder.path / "config.json"
    write_json(config_json, config.model_dump(mode="json"))
    folder.write_targets({name: as_stored(t) for name, t in targets.items()})
    chosen = {t.name: t.train.rows.numpy() for t in stream.tasks if t.train.rows is not None}
    if chosen:  # few of a class, or not as many of each
        folder.write_shots(chosen)
    return folder.digests(config_json, folder.targets, folder.shots)


def go_on(
    folder: RunFolder, config: RunConfig, stream: TaskStream, here: Session, log: Listener
) -> tuple[AccuracyMatrix | None, MidTask | None]:
    """Check that this process may continue the run, and note that it does.

    Returns:
        The rows that the run has, ``None`` before the first; and where it stands within the next task, if
        that is kept and fits.

    Raises:
        UserError: the run is of another version, of other settings or images, or damaged.
    """
    path = folder.path
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
    data = _fingerprints(stream)
    if changed := [name for name in data if data[name] != earlier.data.get(name)]:
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


def must_be_of(path: Path, config: RunConfig) -> None:
    """Raise ``UserError`` where a directory holds another run than that of ``config``."""
    if read_config(path).digest() != config.digest():
        raise UserError(f"{path / 'config.json'} is damaged, or of another run than this one")


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
    proofs = (judged(name, prove, open_run(path)) for name, prove in PROOFS.items())
    words += [claim.words for claim in proofs if claim.verdict == "false"]
    if words:
        raise UserError("; ".join(words))
    write_ledger(path)


def _classes(stream: TaskStream) -> dict[str, tuple[ClassImages, ...]]:
    """Of every task, what is trained on: counted where the images are."""
    return {
        t.name: tuple(map(ClassImages, t.labels.classnames, t.train_images_of_classes()))
        for t in stream.tasks
    }


def _fingerprints(stream: TaskStream) -> dict[str, Fingerprints]:
    """Of every task's training and test images."""
    return {t.name: Fingerprints(t.train.fingerprint, t.test.fingerprint) for t in stream.tasks}
