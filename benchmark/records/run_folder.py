"""A run's directory as the runner writes it. No torch."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cl_bench.benchmark.records.arrays_file import write_arrays
from cl_bench.benchmark.records.checkpoints import file_name
from cl_bench.benchmark.records.events import E
from cl_bench.benchmark.records.files import naming, sha256_of, write_atomically
from cl_bench.benchmark.records.lock import held
from cl_bench.benchmark.records.run_log import line_of, lines_until


class RunFolder:
    """Writes a run's directory. A task counts once its row of the matrix exists."""

    def __init__(self, path: Path) -> None:
        """Name the directory; nothing is made yet."""
        self.path = path
        self.checkpoints = path / "checkpoints"
        self.matrix_csv = path / "matrix.csv"
        self.events = path / "events.jsonl"
        self.targets = path / "predictions" / "targets.npz"
        self.shots = path / "shots.npz"
        self.clients = path / "clients.npz"
        self.held_out_targets = path / "held_out" / "targets.npz"
        self.retrieval_pictures = path / "retrieval" / "pictures.npz"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the directory against other processes; the system lets go if this one dies.

        Raises:
            UserError: another living process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with held(self.path / ".lock", str(self.path)):
            yield

    def checkpoint(self, learned: int) -> Path:
        """The file of the method's state after ``learned`` tasks."""
        return self.checkpoints / file_name(learned)

    def predictions(self, learned: int) -> Path:
        """The file of every task's predicted classes after ``learned`` tasks."""
        return self.path / "predictions" / f"after-{learned:02d}.npz"

    def held_out(self, learned: int) -> Path:
        """The file of the predicted classes of every held-out data set after ``learned`` tasks."""
        return self.path / "held_out" / f"after-{learned:02d}.npz"

    def retrieval(self, learned: int) -> Path:
        """The file of the ranks in every retrieval set after ``learned`` tasks."""
        return self.path / "retrieval" / f"after-{learned:02d}.npz"

    def score_classes(self, learned: int) -> Path:
        """The file of every image's best classes after ``learned`` tasks, where they are kept."""
        return self.path / "scores" / f"after-{learned:02d}-classes.npz"

    def score_logits(self, learned: int) -> Path:
        """The file of the logits of these classes, with the log-sum-exp of all in the last column."""
        return self.path / "scores" / f"after-{learned:02d}-logits.npz"

    def of_row(self, learned: int) -> tuple[Path, ...]:
        """Every file that a row of the matrix may have."""
        beside = self.held_out, self.retrieval, self.score_classes, self.score_logits
        made = (self.predictions, *beside)
        return tuple(file(learned) for file in made)

    def digests(self, *files: Path) -> dict[str, str]:
        """SHA-256 of those of the run's files that are there, by their path below it."""
        there = (file for file in files if file.exists())
        return {file.relative_to(self.path).as_posix(): sha256_of(file) for file in there}

    def log(self, event: E) -> E:
        """Append an event, durably; returns it with the time of this moment."""
        logged = event.model_copy(update={"time": round(time.time(), 3)})
        with naming(self.events), self.events.open("ab") as file:
            file.write(line_of(logged.model_dump(exclude_none=True)))
            file.flush()
            os.fsync(file.fileno())
        return logged

    def cut_log(self, learned: int, steps: int = 0) -> None:
        """Cut the log back to the row after ``learned`` tasks: what is repeated is logged once.

        Args:
            learned: negative: back to the run's first event.
            steps: so many steps of the next task are kept.

        Raises:
            UserError: the log is damaged before that place.
        """
        kept = (line for line, _ in lines_until(self.events, learned, steps))
        write_atomically(self.events, b"".join(kept))

    def write_targets(self, targets: Mapping[str, NDArray[np.uint16]]) -> None:
        """Keep the true classes of every test image, per task."""
        write_arrays(self.targets, targets)

    def write_shots(self, rows: Mapping[str, NDArray[np.int64]]) -> None:
        """Keep which images of every data set are trained on, where that is not all."""
        write_arrays(self.shots, rows)

    def write_clients(self, clients: Mapping[str, NDArray[np.int64]]) -> None:
        """Keep which client has each training image of every task, where clients share them."""
        write_arrays(self.clients, clients)

    def write_predictions(
        self, learned: int, predictions: Mapping[str, NDArray[np.uint16]]
    ) -> None:
        """Keep the predictions of a row."""
        write_arrays(self.predictions(learned), predictions)

    def write_scores(
        self,
        learned: int,
        classes: Mapping[str, NDArray[np.uint16]],
        logits: Mapping[str, NDArray[np.float32]],
    ) -> None:
        """Keep the best classes of a row, [N, k], and their logits, [N, k + 1]; without any there is no file."""
        if classes:
            write_arrays(self.score_classes(learned), classes)
            write_arrays(self.score_logits(learned), logits)

    def write_held_out(self, file: Path, classes: Mapping[str, NDArray[np.uint16]]) -> None:
        """Keep the true or predicted classes of held-out data sets; without sets there is no file."""
        if classes:
            write_arrays(file, classes)

    def write_retrieval(self, file: Path, numbers: Mapping[str, NDArray[np.uint32]]) -> None:
        """Keep the captions' pictures or the ranks of retrieval sets; without sets there is no file."""
        if numbers:
            write_arrays(file, numbers)
