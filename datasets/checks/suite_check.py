"""Check a suite before a run: what would stop it, and what readers of its results must know."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.catalog import check_data, find_suite
from cl_bench.datasets.checks.namesakes import namesakes
from cl_bench.datasets.checks.prompts import cut_prompts
from cl_bench.datasets.checks.same_images import same_bytes
from cl_bench.datasets.images.content import digests_of
from cl_bench.datasets.own.file_held_out import read_held_out
from cl_bench.datasets.own.file_retrieval import ReadRetrieval, read_retrieval
from cl_bench.datasets.own.file_tasks import read_tasks
from cl_bench.datasets.own.read_task import ReadTask
from cl_bench.datasets.own.suite_file import assemble, load_suite_file, short_orders
from cl_bench.datasets.progress import ProgressCallback
from cl_bench.datasets.task_spec import TaskSpec

if TYPE_CHECKING:
    from cl_bench.datasets.checks.task_check import TaskCheck

T = TypeVar("T")


@dataclass
class Findings:
    """What was found.

    Attributes:
        tasks: those that could be listed.
        problems: what would stop a run.
        remarks: what a reader of results must know; recorded with every run.
        notes: what may be right, but should be looked at.
    """

    tasks: list[TaskCheck] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def attempt(self, work: Callable[[], T]) -> T | None:
        """What ``work`` makes, or nothing and a problem more."""
        try:
            return work()
        except UserError as error:
            self.problems.append(str(error))
            return None


def check_suite(name: str, data_root: Path | None, on_progress: ProgressCallback) -> Findings:
    """List everything about a suite; every image is read and decoded.

    Args:
        name: of a built-in suite, or a suite file's path.
        data_root: folder of the MTIL data sets.
        on_progress: hears of the progress.

    Raises:
        UserError: there is no such suite, or its data is not there at all.
    """
    found = Findings()
    if name.endswith(".toml"):
        suite = _own_suite(Path(name), found, on_progress)
    else:
        whole = find_suite(name)
        check_data(whole, data_root)
        suite = _Parts(list(whole.tasks), whole.protocol, whole.backbone.name)
    from cl_bench.datasets.checks.task_check import check_task  # torch: images are decoded now

    for spec in suite.specs:
        if task := found.attempt(lambda spec=spec: check_task(spec, data_root, on_progress)):  # type: ignore[misc]
            found.tasks.append(task)
            found.notes += task.notes
            (found.remarks if suite.protocol.broken == "skip" else found.problems).extend(
                task.broken
            )
    images = [image for task in found.tasks for image in task.images]
    alike = found.attempt(
        lambda: same_bytes(images, digests_of([i.file for i in images], on_progress))
    )
    found.remarks += alike or ()
    _compare_names(suite, found)
    return found


@dataclass(frozen=True)
class _Parts:
    """The tasks of a suite that could be read, and what their prompts depend on."""

    specs: list[TaskSpec]
    protocol: Protocol
    backbone: str


def _own_suite(path: Path, found: Findings, on_progress: ProgressCallback) -> _Parts:
    """Read every task of the file separately, so that a mistake in one does not hide another's."""
    file = load_suite_file(path)
    backbone = file.backbone.name
    attempts = [
        found.attempt(lambda task=task: read_tasks(task, file.root, backbone, on_progress))  # type: ignore[misc]
        for task in file.content.tasks
    ]
    beside = [
        found.attempt(lambda held=held: read_held_out(held, file.root, backbone, on_progress))  # type: ignore[misc]
        for held in file.content.held_out
    ]
    captioned = [
        found.attempt(lambda said=said: read_retrieval(said, file.root, on_progress))  # type: ignore[misc]
        for said in file.content.retrieval
    ]
    tasks = [task for of in attempts if of is not None for task in of]
    held_out = [read for read in beside if read is not None]
    retrieval = [read for read in captioned if read is not None]
    if None not in attempts:
        found.attempt(lambda: assemble(file, tasks, held_out, retrieval))
    every: list[ReadTask | ReadRetrieval] = [*tasks, *held_out, *retrieval]
    found.remarks += (r for read in every for r in read.remarks)
    found.remarks += short_orders(file.content)
    return _Parts([task.spec for task in tasks], file.content.protocol, backbone)


def _compare_names(suite: _Parts, found: Findings) -> None:
    """Prompts that are too long, and names that several tasks have."""
    found.remarks += cut_prompts(suite.specs, suite.backbone)
    p = suite.protocol
    shared = namesakes(suite.specs, p.prompts == "ensemble", suite.backbone, p.namesakes or "one")
    if suite.protocol.labels != "own":
        found.remarks += shared
    else:
        found.notes += [f"under --protocol x-tail or seen: {words}" for words in shared]
