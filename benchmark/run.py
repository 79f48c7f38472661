"""Tasks in, one accuracy matrix out: the runner. It knows no method and no data set by name."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from cl_bench.benchmark import manifest
from cl_bench.benchmark.checkpoint import load_checkpoint, save_checkpoint
from cl_bench.benchmark.config import Protocol, RunConfig
from cl_bench.benchmark.cost import Stopwatch, peak_memory
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.evaluate import accuracy, predict
from cl_bench.benchmark.matrix import AccuracyMatrix
from cl_bench.benchmark.method import Classifier, Method
from cl_bench.benchmark.record import (
    RunFolder,
    RunResult,
    read_json,
    read_matrix,
    read_run,
    write_atomically,
    write_json,
)
from cl_bench.benchmark.task import LabelSpace, Task, TaskStream, TrainingTask
from cl_bench.benchmark.train import NotFiniteError, Progress, autocast, train

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
    the same CPU.

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
        self.spaces, self.targets = _label_spaces(config.protocol, stream)
        self.tests = {task.name: task.test.near(self.device) for task in stream.tasks}
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
        return read_run(self.folder.path)

    def _open(self) -> int:
        """Begin the directory, or take up what it holds; returns how many tasks are learned."""
        hardware = {"device": str(self.device), "threads": torch.get_num_threads()}
        if self.device.type == "cuda":
            hardware["gpu"] = torch.cuda.get_device_name(self.device)
        session = manifest.session(hardware)
        path = self.folder.path / "manifest.json"
        if not path.exists():
            write_json(self.folder.path / "config.json", self.config.model_dump(mode="json"))
            self.folder.write_targets({name: _small(t) for name, t in self.targets.items()})
            write_atomically(self.folder.events, b"")
            self._log("started", digest=self.config.digest())
            # The manifest comes last: without it the directory counts as empty.
            self._keep_choice()
            left_out = {
                t.name: [*t.train.left_out, *t.test.left_out]
                for t in self.stream.tasks
                if t.train.left_out or t.test.left_out
            }
            remarks = list(self.stream.remarks)
            about = {"status": "running", "data": self._data(), "left_out": left_out}
            write_json(path, about | {"remarks": remarks, "sessions": [session]})
            return 0
        learned = -1  # not even the zero-shot row
        if self.folder.matrix_csv.exists():
            self.matrix = read_matrix(self.folder.matrix_csv)
            learned = len(self.matrix.rows)
        self._continue(read_json(path), session, learned)
        if learned > 0:
            self.method.load_state_dict(load_checkpoint(self.folder.checkpoint(learned)))
        return max(learned, 0)

    def _keep_choice(self) -> None:
        """Keep which training images a few-shot run uses."""
        chosen = {
            t.name: t.train.rows.numpy() for t in self.stream.tasks if t.train.rows is not None
        }
        if chosen:
            self.folder.write_shots(chosen)

    def _data(self) -> dict[str, list[str]]:
        """Fingerprints of every task's training and test images."""
        return {t.name: [t.train.fingerprint, t.test.fingerprint] for t in self.stream.tasks}

    def _continue(self, earlier: dict[str, Any], session: dict[str, Any], learned: int) -> None:
        """Check that this process may continue the run, and note that it does."""
        path = self.folder.path
        made_by = earlier["sessions"][0]["cl_bench"]
        if made_by != session["cl_bench"]:
            raise UserError(
                f"{path} was made by cl-bench {made_by}, this is {session['cl_bench']}; "
                "finish it with that version or start anew with --out."
            )
        data = self._data()
        if changed := [name for name in data if data[name] != earlier["data"].get(name)]:
            raise UserError(
                f"{path}: the images of {', '.join(changed)} are not those it began with"
            )
        self.folder.cut_log(learned)
        earlier |= {"status": "running", "sessions": [*earlier["sessions"], session]}
        write_json(path / "manifest.json", earlier)
        self._log("resumed", learned=max(learned, 0))

    def _learn(self, learned: int, task: Task) -> None:
        """Let the method learn ``task``."""
        config, watch = self.config, Stopwatch(self.device)
        generator = seed_everything(config.seed, task.name)
        cropped = config.protocol.augment == "random_resized_crop"
        if not cropped:
            task = replace(task, train=task.train.near(self.device))
        training = TrainingTask(
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
        self._log(
            "learned",
            task=task.name,
            learned=learned,
            steps=trained.steps,
            step_flops=trained.step_flops,
            seconds=watch.seconds,
            images_drawn=training.images_drawn,
            trainable_parameters=trainable,
            peak_memory=peak_memory(self.device),
            diagnostics=self.method.diagnostics(),
        )

    def _save(self, learned: int) -> None:
        """Keep the method's state; it counts once its row is written."""
        path, before = self.folder.checkpoint(learned), self.folder.checkpoint(learned - 1)
        stored = save_checkpoint(path, self.method.state_dict())
        added = path.stat().st_size - (before.stat().st_size if before.exists() else 0)
        self._log(
            "saved", learned=learned, stored_parameters=stored, bytes=path.stat().st_size,
            bytes_added=added,
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
        self._log(
            "evaluated",
            learned=learned,
            accuracies=dict(zip(self.config.tasks, row, strict=True)),
            seconds=watch.seconds["evaluate"],
        )
        small = {name: _small(p) for name, p in predictions.items()}
        self.folder.write_row(learned, small, self.matrix)

    def _log(self, event: str, **values: Any) -> None:
        self.listen(self.folder.log(event, **values))

    def _status(self, status: str, reason: str | None = None) -> None:
        path = self.folder.path / "manifest.json"
        write_json(path, read_json(path) | {"status": status, "reason": reason})


def _label_spaces(
    protocol: Protocol, stream: TaskStream
) -> tuple[dict[str, LabelSpace], dict[str, torch.Tensor]]:
    """What each task's test images are classified over, and their true classes in it."""
    first = protocol.prompts == "first"
    own = {t.name: t.labels.first_prompts() if first else t.labels for t in stream.tasks}
    if protocol.labels == "own":
        return own, {t.name: t.test.targets for t in stream.tasks}
    sizes = [len(space.classnames) for space in own.values()]
    starts = dict(zip(own, accumulate(sizes, initial=0), strict=False))
    union = LabelSpace.union(list(own.values()))
    return dict.fromkeys(own, union), {
        t.name: t.test.targets + starts[t.name] for t in stream.tasks
    }


def _small(classes: torch.Tensor) -> NDArray[np.uint16]:
    """Class indices as they are stored; a label space has at most 65,536 classes."""
    return classes.numpy().astype(np.uint16)
