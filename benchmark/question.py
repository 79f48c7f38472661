"""What a run is and what it is scored against: written once, when its directory is begun."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from cl_bench.benchmark.config import RunConfig
from cl_bench.benchmark.held_out import HeldOutSets
from cl_bench.benchmark.label_spaces import as_stored
from cl_bench.benchmark.record import RunFolder
from cl_bench.benchmark.records.arrays_file import read_arrays
from cl_bench.benchmark.records.files import write_json
from cl_bench.benchmark.records.manifest import ClassImages, Fingerprints
from cl_bench.benchmark.retrieval import RetrievalSets
from cl_bench.benchmark.task import TaskStream


@dataclass(frozen=True)
class Question:
    """A run, with its data.

    Attributes:
        config: everything that was resolved.
        stream: its tasks.
        targets: the true classes of every task's test images, int64 [N].
        held_out: what is evaluated beside the tasks and never learned.
        retrieval: captioned pictures that are searched beside them.
    """

    config: RunConfig
    stream: TaskStream
    targets: Mapping[str, Tensor]
    held_out: HeldOutSets
    retrieval: RetrievalSets

    def write(self, folder: RunFolder) -> dict[str, str]:
        """Write it; returns the files' SHA-256 by their path below the run's directory."""
        config_json = folder.path / "config.json"
        write_json(config_json, self.config.model_dump(mode="json"))
        folder.write_targets({name: as_stored(t) for name, t in self.targets.items()})
        true = {name: as_stored(t) for name, t in self.held_out.targets().items()}
        folder.write_held_out(folder.held_out_targets, true)
        pictures = {
            name: of.numpy().astype(np.uint32) for name, of in self.retrieval.pictures().items()
        }
        folder.write_retrieval(folder.retrieval_pictures, pictures)
        tasks = self.stream.tasks
        chosen = {t.name: t.train.rows.numpy() for t in tasks if t.train.rows is not None}
        if chosen:  # few of a class, or not as many of each
            folder.write_shots(chosen)
        if shared := self.clients():
            folder.write_clients(shared)
        files = folder.targets, folder.shots, folder.clients
        beside = folder.held_out_targets, folder.retrieval_pictures
        return folder.digests(config_json, *files, *beside)

    def clients(self) -> dict[str, NDArray[np.int64]]:
        """Of every task, which client has each training image; empty where one learner has all."""
        return {t.name: t.clients.numpy() for t in self.stream.tasks if t.clients is not None}

    def other_clients(self, folder: RunFolder) -> list[str]:
        """The tasks whose images belong to other clients than by the run's record."""
        now = self.clients()
        kept = read_arrays(folder.clients) if now else {}
        return [t for t, of in now.items() if t not in kept or not np.array_equal(kept[t], of)]

    def fingerprints(self) -> dict[str, Fingerprints]:
        """Of every task's training and test images."""
        tasks = self.stream.tasks
        return {t.name: Fingerprints(t.train.fingerprint, t.test.fingerprint) for t in tasks}

    def classes(self) -> dict[str, tuple[ClassImages, ...]]:
        """Of every task, what is trained on, counted where the images are; empty where nothing is rare."""
        if not self.config.protocol.is_imbalanced:
            return {}
        return {
            t.name: tuple(map(ClassImages, t.labels.classnames, t.train_images_of_classes()))
            for t in self.stream.tasks
        }

    def left_out(self) -> dict[str, tuple[str, ...]]:
        """The image files that could not be read, by task, held-out data set or retrieval set."""
        of_tasks = {
            t.name: (*t.train.left_out, *t.test.left_out)
            for t in self.stream.tasks
            if t.train.left_out or t.test.left_out
        }
        return of_tasks | self.held_out.left_out() | self.retrieval.left_out()
