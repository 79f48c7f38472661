"""A run as reports read it: nothing of it is shown that is not as it was written. No torch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import fmean

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.namesakes import indices_of
from cl_bench.benchmark.recall import RECALL_AT, WAYS, recall_name
from cl_bench.benchmark.records.arrays_file import read_arrays
from cl_bench.benchmark.records.damage import is_checkable, must_be_whole
from cl_bench.benchmark.records.events import Collapsed, Evaluated, Event, those
from cl_bench.benchmark.records.files import read_json, write_atomically, write_json
from cl_bench.benchmark.records.held_out_rows import HeldOutRows, held_out_rows
from cl_bench.benchmark.records.kept_scores import KeptScores, kept_scores
from cl_bench.benchmark.records.manifest import Manifest, read_manifest
from cl_bench.benchmark.records.matrix_file import ZERO_SHOT, must_agree, read_matrix
from cl_bench.benchmark.records.migrations import migrated
from cl_bench.benchmark.records.order import must_be_in_order
from cl_bench.benchmark.records.retrieval_rows import RetrievalRows, retrieval_rows
from cl_bench.benchmark.records.run_folder import RunFolder
from cl_bench.benchmark.records.run_log import NoEventError, read_log

__all__ = [
    "RECALL_AT", "WAYS", "ZERO_SHOT", "RunFolder", "RunResult", "must_be_whole", "open_run",
    "read_config", "read_json", "read_matrix", "read_run", "recall_name", "write_atomically", "write_json",
]  # fmt: skip


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
    manifest: Manifest
    matrix: AccuracyMatrix

    @property
    def finished(self) -> bool:
        """Whether every task was learned and the run ended well."""
        return self.manifest.status == "finished" and self.matrix.complete

    @property
    def remarks(self) -> tuple[str, ...]:
        """What was found in the data when the run began, and what of the log is lost, one line each."""
        _, lost = self._history
        return (*self.manifest.remarks, *([f"its cost is not known: {lost}"] if lost else []))

    @property
    def collapses(self) -> tuple[str, ...]:
        """Which accuracies were at chance after which task, one line each."""
        return tuple(event.words for event in those(self.known_events, Collapsed))

    def metrics(self) -> dict[str, float]:
        """Every metric of the run, in per cent: of the matrix, and of what is evaluated beside it.

        Before the last task those alone of before anything was learned: others would be taken for results.

        Raises:
            UserError: a file that a metric is computed from is missing or damaged.
        """
        beside = self.held_out.metrics() | self.retrieval.metrics()
        if not self.matrix.complete:
            beside = {name: value for name, value in beside.items() if name.endswith("_before")}
        elif curve := self.incremental:
            beside |= {"incremental": fmean(curve), "incremental_last": curve[-1]}
        return self.matrix.metrics() | beside

    @cached_property
    def incremental(self) -> tuple[float, ...]:
        """Accuracy over all test images of learned tasks, after each task; empty under other label spaces.

        Raises:
            UserError: the true classes are missing or damaged.
        """
        if self.config.protocol.labels != "seen":
            return ()
        images = self.targets()
        return self.matrix.incremental([len(images[task]) for task in self.matrix.tasks])

    @property
    def picture(self) -> Path:
        """Where the matrix is drawn."""
        return self.path / "matrix.png"

    @property
    def checkable(self) -> bool:
        """Whether damage would be found: runs from before ledgers have nothing to check by."""
        return is_checkable(self.path)

    @cached_property
    def events(self) -> list[Event]:
        """Every whole line of ``events.jsonl``; a line cut off by a kill is left out.

        Raises:
            OSError: there is no log.
            UserError: a line is damaged or holds no event.
        """
        return read_log(self.path / "events.jsonl")

    @property
    def known_events(self) -> list[Event]:
        """The events, if they stand in an order in which a run writes them.

        Runs from before ledgers may do without: where their log is lost or was written by hand, nothing
        of it is known, this is empty, and a remark says why.

        Raises:
            UserError: a line is damaged, holds no event, or one that cannot stand there.
        """
        return self._history[0]

    @cached_property
    def _history(self) -> tuple[list[Event], str | None]:
        """The events that are known, or why none is."""
        log = self.path / "events.jsonl"
        try:
            must_be_in_order(log, self.events, self.matrix.tasks)
            return self.events, None
        except OSError as error:
            lost = f"{log} cannot be read: {error.strerror}"
        except NoEventError as error:
            lost = str(error)
        if self.checkable:
            raise UserError(lost)
        return [], lost

    def predictions(self, learned: int) -> dict[str, NDArray[np.uint16]]:
        """Predicted class per test image and task after ``learned`` tasks (0: zero-shot)."""
        return read_arrays(RunFolder(self.path).predictions(learned))

    def scores(self, learned: int) -> dict[str, KeptScores]:
        """The best classes per test image and task after ``learned`` tasks, where they are kept.

        Raises:
            UserError: a file is missing or damaged, or the two are not of the same images.
        """
        folder = RunFolder(self.path)
        classes = read_arrays(folder.score_classes(learned))
        logits = read_arrays(folder.score_logits(learned), kinds="f")
        return kept_scores(folder.score_logits(learned), classes, logits)

    def targets(self) -> dict[str, NDArray[np.uint16]]:
        """True class per test image and task."""
        return read_arrays(RunFolder(self.path).targets)

    def held_out_predictions(self, learned: int) -> dict[str, NDArray[np.uint16]]:
        """Predicted class per image and held-out data set after ``learned`` tasks (0: zero-shot)."""
        return read_arrays(RunFolder(self.path).held_out(learned))

    def held_out_targets(self) -> dict[str, NDArray[np.uint16]]:
        """True class per image and held-out data set."""
        return read_arrays(RunFolder(self.path).held_out_targets)

    def retrieval_ranks(self, learned: int) -> dict[str, NDArray[np.uint32]]:
        """The ranks in every retrieval set, ``SET/WAY`` by name, after ``learned`` tasks (0: zero-shot)."""
        return read_arrays(RunFolder(self.path).retrieval(learned))

    def retrieval_pictures(self) -> dict[str, NDArray[np.uint32]]:
        """Of every caption of a retrieval set the place of its picture."""
        return read_arrays(RunFolder(self.path).retrieval_pictures)

    @cached_property
    def retrieval(self) -> RetrievalRows:
        """The recalls in retrieval sets: as many rows as the matrix has; raises as ``held_out`` does."""
        evaluated = those(self.known_events, Evaluated)[: 1 + len(self.matrix.rows)]
        return retrieval_rows(self.path, self.config, evaluated)

    @cached_property
    def held_out(self) -> HeldOutRows:
        """The accuracies on held-out data sets: as many rows as the matrix has.

        Raises:
            UserError: the log does not hold them.
        """
        evaluated = those(self.known_events, Evaluated)[: 1 + len(self.matrix.rows)]
        return held_out_rows(self.path, self.config, evaluated)

    def class_indices(self) -> dict[str, list[int]]:
        """How targets and predictions count each class, by task, where the manifest names the classes."""
        counted = self.manifest.classes
        named = {t: [c.name for c in counted[t]] for t in self.config.tasks if t in counted}
        return indices_of(named, self.config.protocol.labels, self.config.protocol.namesakes)

    def shots(self) -> dict[str, NDArray[np.int64]] | None:
        """Rows of the training images of every task, where not all are trained on; else ``None``."""
        file = RunFolder(self.path).shots
        return read_arrays(file) if file.exists() else None

    def clients(self) -> dict[str, NDArray[np.int64]] | None:
        """Which client has each training image of every task, where clients share them; else ``None``."""
        file = RunFolder(self.path).clients
        return read_arrays(file) if file.exists() else None


def read_config(path: Path) -> RunConfig:
    """Read ``config.json`` of the run directory ``path``; one of an older version is brought to this one.

    Raises:
        UserError: it is missing, damaged, or of a newer version.
    """
    content = migrated(path)
    try:
        return RunConfig.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(
            f"{path / 'config.json'} was made by another version of cl-bench or is damaged: "
            f"{where}: {first['msg']}; use the cl-bench that made the run, or a newer one"
        ) from error


def read_run(path: Path) -> RunResult:
    """Read a run's directory, if every file of it is as it was written.

    The checkpoints' content is not read; of a run from before ledgers, only what contradicts itself
    is found.

    Raises:
        UserError: a file is missing or damaged; names it.
    """
    must_be_whole(path)
    run = open_run(path)
    _ = run.held_out, run.retrieval  # what is wrong with the log is named here
    return run


def open_run(path: Path) -> RunResult:
    """Read a run's directory, whole or not.

    Raises:
        UserError: its main files are missing, cannot be read, or contradict each other.
    """
    config = read_config(path)
    manifest = read_manifest(path)
    matrix = read_matrix(path / "matrix.csv")
    if matrix.tasks != config.tasks:
        raise UserError(f"{path}: matrix.csv and config.json name different tasks")
    must_agree(path, matrix)
    if config.protocol.is_imbalanced and set(manifest.classes) != set(config.tasks):
        raise UserError(
            f"{path / 'manifest.json'} is damaged: the training images of the classes are missing"
        )
    if manifest.status == "finished" and not matrix.complete:
        raise UserError(f"{path / 'matrix.csv'} is damaged: rows of a finished run are missing")
    return RunResult(path, config, manifest, matrix)
