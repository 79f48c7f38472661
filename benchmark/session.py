"""One process's work on a run's directory: what it begins with, keeps after every task, and ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from cl_bench.benchmark import mid_task
from cl_bench.benchmark.broken_off import owner
from cl_bench.benchmark.checkpoint import load_checkpoint, must_be_finite, save_checkpoint
from cl_bench.benchmark.cost import Stopwatch
from cl_bench.benchmark.earlier_images import EarlierImages
from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.evaluate import accuracy
from cl_bench.benchmark.here import here
from cl_bench.benchmark.interval import Interval
from cl_bench.benchmark.keeper import Keeper
from cl_bench.benchmark.label_spaces import as_stored
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.mid_task import MidTask
from cl_bench.benchmark.opening import begin, drop_at_the_end, go_on, state_at_the_start
from cl_bench.benchmark.processes.first import by_the_first
from cl_bench.benchmark.question import Question
from cl_bench.benchmark.recall import Ranks, as_arrays
from cl_bench.benchmark.record import RunFolder, RunResult, read_run
from cl_bench.benchmark.records.collapses import collapses_of
from cl_bench.benchmark.records.events import Evaluated, Event, Finished, Listener, Saved
from cl_bench.benchmark.records.keeps import Keeps
from cl_bench.benchmark.records.ledger import write_ledger
from cl_bench.benchmark.records.manifest import Status, read_manifest, write_manifest
from cl_bench.benchmark.records.matrix_file import write_matrix
from cl_bench.benchmark.retrieval import recalls_of
from cl_bench.benchmark.scores import Scores
from cl_bench.benchmark.stopping import Stopping
from cl_bench.benchmark.train import Training


@dataclass(frozen=True)
class Opened:
    """Where a run stands when it is opened.

    Attributes:
        rows: of the matrix that it has, the zero-shot row included.
        state: of the method and of the images that it keeps, after the last row or within the next task;
            before the first that of another run, where it begins with one, else empty.
        top: how many of the best classes of every test image are kept, if any.
        under_way: where the next task stands, if it was broken off and that was kept.
    """

    rows: int
    state: Mapping[str, Any]
    top: int | None
    under_way: MidTask | None = None


class RunSession:
    """Begins a run's directory or takes it up, and writes everything that is kept in it.

    Of several processes every one calls these functions, and the first one carries them out.

    Attributes:
        earlier: the images that the method keeps of learned tasks; every process has them.
        matrix: the rows so far, in the first process; ``None`` before the first row.
    """

    def __init__(
        self,
        question: Question,
        folder: RunFolder,
        listen: Listener,
        images_at_once: int | None,
        interval: Interval,
        stopping: Stopping,
        keeps: Keeps,
        start: Path | None,
    ) -> None:
        """Nothing is read or written yet.

        Args:
            question: the run with its data.
            folder: where the run lives; this process holds its lock.
            listen: receives every logged event.
            images_at_once: in training, for the record.
            interval: between two states that are kept within a task.
            stopping: what the run has been told.
            keeps: what stays of a run that begins here.
            start: the state that it begins with; ``None``: the pre-trained model's.
        """
        self._question, self._config = question, question.config
        self._folder, self._listen, self._images_at_once = folder, listen, images_at_once
        self._interval, self._stopping, self._keeps = interval, stopping, keeps
        self._start = start
        declared = "earlier images" in self._config.extra_data
        self.earlier = EarlierImages(question.stream, declared=declared)
        self.matrix: AccuracyMatrix | None = None

    @property
    def learned(self) -> int:
        """How many tasks have their row."""
        return len(self.matrix.rows) if self.matrix else 0

    @by_the_first
    def open(self, device: torch.device) -> Opened:
        """Begin the directory, or take up what it holds.

        Raises:
            UserError: what is there must not be continued.
        """
        folder, process = self._folder, here(self._config, device, self._images_at_once)
        if not (folder.path / "manifest.json").exists():
            begin(folder, self._question, process, self._log, self._keeps)
            return Opened(0, self._first_state(), self._keeps.scores)
        self.matrix, under_way = go_on(folder, self._question, process, self._log)
        rows, top = 1 + self.learned if self.matrix else 0, read_manifest(folder.path).scores
        if under_way is not None and under_way.prepared:
            return Opened(rows, under_way.method, top, under_way)
        state = (
            load_checkpoint(folder.checkpoint(self.learned))
            if self.learned
            else self._first_state()
        )
        if under_way is None:
            self._drop_older()
        return Opened(rows, state, top, under_way)

    def _first_state(self) -> dict[str, Any]:
        return state_at_the_start(self._config, self._start)

    def keeper(self, place: int, method: Method, watch: Stopwatch, begun: MidTask | None) -> Keeper:
        """What looks after a task while it is learned.

        Args:
            place: of the task in the order, from 1.
            method: learns it.
            watch: what its phases take.
            begun: where it stood when it was broken off, if it was.
        """

        def standing(training: Training) -> MidTask:
            state = self._state(method)
            return MidTask(training.step, watch.so_far(), state, training.state_dict())

        checkpoints, of = self._folder.checkpoints, owner(self._config, place)
        device = method.clip.device
        return Keeper(
            checkpoints, self._interval, of, standing, watch, self._stopping, begun, device
        )

    @by_the_first
    def keep_method(self, learned: int, method: Method) -> None:
        """Keep the method's state after ``learned`` tasks; it counts once its row is written.

        Raises:
            NotFiniteError: it is not finite; nothing is written.
        """
        path, before = self._folder.checkpoint(learned), self._folder.checkpoint(learned - 1)
        state = self._state(method)
        must_be_finite(state, self._config.tasks[learned - 1])
        stored = save_checkpoint(path, state)
        added = path.stat().st_size - (before.stat().st_size if before.exists() else 0)
        self._log(
            Saved(
                learned=learned, stored_parameters=stored, bytes=path.stat().st_size,
                bytes_added=added, kept_images=self.earlier.images, kept_bytes=self.earlier.bytes,
                sha256=self._folder.digests(path),
            )
        )  # fmt: skip

    def _state(self, method: Method) -> dict[str, Any]:
        """The method's state, and that of the images that it keeps."""
        return method.state_dict() | self.earlier.state_dict()

    @by_the_first
    def keep_row(
        self,
        learned: int,
        predictions: Mapping[str, Tensor],
        held_out: Mapping[str, Tensor],
        ranks: Mapping[str, Ranks],
        seconds: float,
        scores: Mapping[str, Scores],
    ) -> None:
        """Keep all predicted classes, int64 [N], all ranks, scores if any, and what follows from them."""
        true, folder = self._question.targets, self._folder
        row = tuple(accuracy(predictions[t], true[t]) for t in self._config.tasks)
        if self.matrix is None:
            self.matrix = AccuracyMatrix(self._config.tasks, row, ())
        else:
            rows = (*self.matrix.rows, row)
            self.matrix = AccuracyMatrix(self._config.tasks, self.matrix.zero_shot, rows)
        folder.write_predictions(learned, {t: as_stored(p) for t, p in predictions.items()})
        beside = {name: as_stored(p) for name, p in held_out.items()}
        folder.write_held_out(folder.held_out(learned), beside)
        folder.write_retrieval(folder.retrieval(learned), as_arrays(ranks))
        folder.write_scores(
            learned,
            {t: as_stored(s.classes) for t, s in scores.items()},
            {t: torch.cat([s.logits, s.log_sum[:, None]], -1).numpy() for t, s in scores.items()},
        )
        for collapse in collapses_of(folder, self._config, learned):
            self._log(collapse)
        self._log(
            Evaluated(
                learned=learned,
                accuracies=dict(zip(self._config.tasks, row, strict=True)),
                held_out=self._question.held_out.accuracies(held_out),
                retrieval=recalls_of(ranks),
                seconds=seconds,
                sha256=folder.digests(*folder.of_row(learned)),
            )
        )
        write_matrix(self._folder.path, self.matrix)  # from here on the row counts
        self._drop_older()

    def _drop_older(self) -> None:
        """Of checkpoints only the last counted one stays, or all; none from within the tasks that are learned."""
        if read_manifest(self._folder.path).keeps != "all":
            self._folder.checkpoint(self.learned - 1).unlink(missing_ok=True)
        mid_task.drop(self._folder.checkpoints)

    @by_the_first
    def finish(self) -> RunResult:
        """Close a run that has all its rows."""
        assert self.matrix is not None
        self._log(Finished(metrics=self.matrix.metrics()))
        self._status("finished")
        drop_at_the_end(self._folder.path)
        write_ledger(self._folder.path)
        return read_run(self._folder.path)

    @by_the_first
    def failed(self, error: NotFiniteError) -> UserError:
        """Note that the run has diverged; returns what to tell the user."""
        self._status("failed", str(error))
        mid_task.drop(self._folder.checkpoints)  # it may hold the number that is not finite
        last, tasks, n = self._folder.checkpoint(self.learned), self._config.tasks, self.learned
        good = (
            f"{last}, after task {tasks[n - 1]!r} ({n} of {len(tasks)})"
            if last.is_file()
            else "none, the pre-trained model"
        )
        return UserError(
            f"{error} (method {self._config.method}). Last good checkpoint: {good}. To go on from there: "
            f"cl-bench resume {self._folder.path}. To start anew with other settings: --set lr=VALUE "
            "or --precision fp32"
        )

    @by_the_first
    def log(self, event: Event) -> None:
        """Keep an event and tell whoever listens."""
        self._log(event)

    def _log(self, event: Event) -> None:
        self._listen(self._folder.log(event))

    def _status(self, status: Status, reason: str | None = None) -> None:
        path, changes = self._folder.path, {"status": status, "reason": reason}
        write_manifest(path, read_manifest(path).model_copy(update=changes))
