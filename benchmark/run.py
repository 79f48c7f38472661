"""Tasks in, one accuracy matrix out: the runner. It knows no method and no data set by name."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.cost import Stopwatch, peak_memory
from cl_bench.benchmark.earlier_images import EarlierImages
from cl_bench.benchmark.errors import NotFiniteError, UserError
from cl_bench.benchmark.evaluate import accuracy, predict
from cl_bench.benchmark.label_spaces import as_stored, label_spaces
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.opening import begin, finished_run, go_on, is_finished, must_be_of
from cl_bench.benchmark.precision import autocast
from cl_bench.benchmark.record import RunFolder, RunResult, read_run
from cl_bench.benchmark.records import ledger
from cl_bench.benchmark.records.manifest import read_manifest, session, write_manifest
from cl_bench.benchmark.records.matrix_file import write_matrix
from cl_bench.benchmark.task import LabelSpace, Task, TaskStream
from cl_bench.benchmark.train import Progress, train

Listener = Callable[[dict[str, Any]], None]


def run(
    config: RunConfig,
    make_method: Callable[[], Method],
    stream: TaskStream,
    folder: RunFolder,
    listen: Listener,
) -> RunResult:
    """Learn the stream's tasks in turn, evaluate all of them after each, keep everything.

    A directory that holds some of the run already is continued: every task draws its randomness
    from (seed, task name) alone, so an interrupted run ends as an undisturbed one, bit for bit on
    the same CPU. Nothing is continued that is not as it was written.

    Args:
        config: the resolved run.
        make_method: makes a fresh instance around the pre-trained model.
        stream: the tasks of ``config.tasks``.
        folder: where the run lives.
        listen: receives every logged event.

    Raises:
        UserError: the directory is locked, damaged or of another run; the loss is not finite.
    """
    with folder.locked():
        if is_finished(folder.path):
            must_be_of(folder.path, config)
            return finished_run(folder.path)
        return _Runner(config, make_method(), stream, folder, listen).run()


def seed_everything(seed: int, name: str) -> torch.Generator:
    """Seed Python, numpy and torch from ``seed`` and ``name``; returns a CPU generator of its own."""
    derived = int.from_bytes(hashlib.sha256(f"{seed}/{name}".encode()).digest()[:4])
    random.seed(derived)
    np.random.seed(derived)
    torch.manual_seed(derived)
    return torch.Generator().manual_seed(derived)


class _Runner:
    """The state of one run while this process works on it."""

    def __init__(
        self,
        config: RunConfig,
        method: Method,
        stream: TaskStream,
        folder: RunFolder,
        listen: Listener,
    ) -> None:
        self.config, self.method, self.stream = config, method, stream
        self.folder, self.listen = folder, listen
        self.device = method.clip.device
        self.normalise = method.clip.normaliser()
        self.spaces, self.targets = label_spaces(config.protocol, stream)
        self.tests = {task.name: task.test.near(self.device) for task in stream.tasks}
        declared = "earlier images" in config.extra_data
        self.earlier = EarlierImages(stream, declared=declared)
        self.matrix: AccuracyMatrix | None = None

    def run(self) -> RunResult:
        start = self._open()
        try:
            if self.matrix is None:
                self._evaluate(0)
            for learned, task in enumerate(self.stream.tasks[start:], start=start + 1):
                self._learn(learned, task)
                self._save(learned)
                self._evaluate(learned)
                self.folder.checkpoint(learned - 1).unlink(missing_ok=True)
        except NotFiniteError as error:
            self._status("failed", str(error))
            last = self.folder.checkpoint(len(self.matrix.rows)) if self.matrix else None
            good = last if last and last.is_file() else "none, the pre-trained model"
            raise UserError(f"{error}. Last good checkpoint: {good}.") from error
        assert self.matrix is not None
        self._log("finished", metrics=self.matrix.metrics())
        self._status("finished")
        ledger.write_ledger(self.folder.path)
        return read_run(self.folder.path)

    def _open(self) -> int:
        """Begin the directory, or take up what it holds; returns how many tasks are learned."""
        hardware = {"device": str(self.device), "threads": torch.get_num_threads()}
        if self.device.type == "cuda":
            hardware["gpu"] = torch.cuda.get_device_name(self.device)
        here = session(hardware)
        if not (self.folder.path / "manifest.json").exists():
            begin(self.folder, self.config, self.stream, self.targets, here, self._log)
            return 0
        self.matrix = go_on(self.folder, self.config, self.stream, here, self._log)
        learned = len(self.matrix.rows) if self.matrix else 0
        if learned > 0:
            state = load_checkpoint(self.folder.checkpoint(learned))
            self.earlier.load_state_dict(state)
            self.method.load_state_dict(state)
            self.folder.checkpoint(learned - 1).unlink(missing_ok=True)
        return learned

    def _learn(self, learned: int, task: Task) -> None:
        """Let the method learn ``task``."""
        config, watch = self.config, Stopwatch(self.device)
        generator = seed_everything(config.seed, task.name)
        cropped = config.protocol.augment == "random_resized_crop"
        if not cropped:
            task = replace(task, train=task.train.near(self.device))
        training = self.earlier.open(
            task, self.normalise, config.budget.batch_size, generator, cropped=cropped
        )

        def report(p: Progress) -> None:
            self._log("step", task=task.name, step=p.step, steps=p.steps, loss=p.loss, lr=p.lr)

        with watch.phase("prepare"):
            self.method.before_task(training)
        trainable = sum(p.numel() for p in self.method.trainable_parameters())
        budget, precision = config.budget.steps[task.name], config.protocol.precision
        with watch.phase("train"):
            trained = train(self.method, training, config.recipe, budget, precision, report)
        with watch.phase("consolidate"):
            self.method.after_task(training)
            self.earlier.close(training)
        self._log(
            "learned",
            task=task.name,
            learned=learned,
            steps=trained.steps,
            step_flops=trained.step_flops,
            skipped_steps=trained.skipped_steps,
            seconds=watch.seconds,
            images_drawn=training.images_drawn,
            trainable_parameters=trainable,
            peak_memory=peak_memory(self.device),
            diagnostics=self.method.diagnostics(),
        )

    def _save(self, learned: int) -> None:
        """Keep the method's state; it counts once its row is written."""
        path, before = self.folder.checkpoint(learned), self.folder.checkpoint(learned - 1)
        stored = save_checkpoint(path, self.method.state_dict() | self.earlier.state_dict())
        added = path.stat().st_size - (before.stat().st_size if before.exists() else 0)
        self._log(
            "saved", learned=learned, stored_parameters=stored, bytes=path.stat().st_size,
            bytes_added=added, kept_images=self.earlier.images, kept_bytes=self.earlier.bytes,
            sha256=self.folder.digests(path),
        )  # fmt: skip

    def _evaluate(self, learned: int) -> None:
        """Score every task's test images and add the row to the matrix."""
        watch, precision = Stopwatch(self.device), self.config.protocol.precision
        with watch.phase("evaluate"), autocast(self.device.type, precision):
            classifiers: dict[LabelSpace, Classifier] = {}
            predictions = {}
            for name, labels in self.spaces.items():
                if labels not in classifiers:
                    with torch.no_grad():
                        classifiers = {labels: self.method.classifier(labels)}
                predictions[name] = predict(classifiers[labels], self.tests[name], self.normalise)
        row = tuple(accuracy(predictions[t], self.targets[t]) for t in self.config.tasks)
        if self.matrix is None:
            self.matrix = AccuracyMatrix(self.config.tasks, row, ())
        else:
            rows = (*self.matrix.rows, row)
            self.matrix = AccuracyMatrix(self.config.tasks, self.matrix.zero_shot, rows)
        small = {name: as_stored(p) for name, p in predictions.items()}
        self.folder.write_predictions(learned, small)
        self._log(
            "evaluated",
            learned=learned,
            accuracies=dict(zip(self.config.tasks, row, strict=True)),
            seconds=watch.seconds["evaluate"],
            sha256=self.folder.digests(self.folder.predictions(learned)),
        )
        write_matrix(self.folder.path, self.matrix)  # from here on the row counts

    def _log(self, event: str, **values: Any) -> None:
        self.listen(self.folder.log(event, **values))

    def _status(self, status: str, reason: str | None = None) -> None:
        path = self.folder.path
        write_manifest(path, read_manifest(path) | {"status": status, "reason": reason})
