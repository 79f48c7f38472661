"""A suite of one's own: a TOML file that names tasks as folders or lists of images. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, field_validator, model_validator

from cl_bench.benchmark.config import Backbone, Protocol, Settings
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.truth_values import numbers_are_numbers
from cl_bench.benchmark.user_file import first_problem, read_toml
from cl_bench.datasets.backbones import parse
from cl_bench.datasets.budget_rule import BudgetRule, Count
from cl_bench.datasets.checks.same_images import same_bytes
from cl_bench.datasets.own.file_held_out import FileHeldOut, read_held_out
from cl_bench.datasets.own.file_retrieval import FileRetrieval, ReadRetrieval, read_retrieval
from cl_bench.datasets.own.file_tasks import FileTask, read_tasks
from cl_bench.datasets.own.in_no_task import must_be_in_no_task
from cl_bench.datasets.own.read_task import ReadTask
from cl_bench.datasets.suite import Suite

TAKEN = (
    "mini",
    "mini-long",
    "mtil",
    "x-tail",
)  # settings and extra data of their own hang on these names


class SuiteFile(Settings):
    """The whole file."""

    _truth = numbers_are_numbers

    name: Annotated[str, Field(pattern=r"^[\w.+-]+$")]
    about: Annotated[str, Field(pattern=r"^[^\n]*\S[^\n]*$")]
    root: Path = Path()
    """What the tasks' folders are relative to; itself relative to the file."""
    backbone: str
    """As ``--backbone`` takes it: ``tiny-clip``, ``NAME:TAG`` or ``NAME:FILE``."""
    protocol: Protocol = Protocol()
    batch_size: Count | None = None
    epochs: Count | None = None
    epochs_per_task: dict[str, dict[str, Count]] = Field(default_factory=dict)
    steps: Count | None = None
    orders: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    tasks: Annotated[tuple[FileTask, ...], Field(min_length=1)]
    held_out: tuple[FileHeldOut, ...] = ()
    """Data sets that are evaluated beside the tasks and never learned."""
    retrieval: tuple[FileRetrieval, ...] = ()
    """Captioned pictures that are searched beside the tasks and never learned."""

    @field_validator("name")
    @classmethod
    def _not_taken(cls, name: str) -> str:
        if name.lower() in TAKEN:
            raise ValueError(f"{name!r} is the name of a built-in suite; call this one otherwise")
        return name

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> SuiteFile:
        if self.steps and (ignored := {"epochs", "epochs_per_task"} & self.model_fields_set):
            raise ValueError(f"`{min(ignored)}` has no meaning beside `steps`; remove one of them")
        names = {task.name for task in self.tasks}
        for order, epochs in self.epochs_per_task.items():
            if order not in self.all_orders():
                raise ValueError(f"epochs_per_task.{order}: there is no such order")
            if odd := sorted(epochs.keys() - names):
                raise ValueError(f"epochs_per_task.{order} names {odd[0]!r}: no such task")
        return self

    def budget(self) -> BudgetRule:
        """How long the tasks are trained; what the file does not say is the rule's default."""
        said = self.model_dump(include=set(BudgetRule.model_fields), exclude_none=True)
        parts = self._parts()
        said["epochs_per_task"] = {
            order: {part: count for task, count in epochs.items() for part in parts[task]}
            for order, epochs in self.epochs_per_task.items()
        }
        return BudgetRule.model_validate(said)

    def all_orders(self) -> dict[str, tuple[str, ...]]:
        """The orders; without any, I is the file's own and II its reverse.

        A task that is split stands for its parts, one after the other.
        """
        parts = self._parts()
        names = tuple(parts)
        return {
            order: tuple(part for task in tasks for part in parts.get(task, (task,)))
            for order, tasks in (self.orders or {"I": names, "II": names[::-1]}).items()
        }

    def _parts(self) -> dict[str, tuple[str, ...]]:
        """What each task becomes."""
        return {task.name: task.names() for task in self.tasks}

    def settings_of(self) -> str | None:
        """The suite whose settings of methods and extra data it takes: mini's, where all is drawn."""
        return "mini" if all(task.mini is not None for task in self.tasks) else None


@dataclass(frozen=True)
class LoadedFile:
    """A suite file, before its tasks are read.

    Attributes:
        path: of the file.
        content: what it says.
        root: what the tasks' folders are relative to.
        backbone: which CLIP a run starts from.
    """

    path: Path
    content: SuiteFile
    root: Path
    backbone: Backbone


def read_suite(path: Path) -> Suite:
    """Read a suite file and list the images it names.

    Raises:
        UserError: the file or one of its folders is wrong; names it.
    """
    file = load_suite_file(path)
    root, backbone = file.root, file.backbone.name
    tasks = [of for task in file.content.tasks for of in read_tasks(task, root, backbone)]
    held_out = [read_held_out(h, root, backbone) for h in file.content.held_out]
    return assemble(
        file, tasks, held_out, [read_retrieval(r, root) for r in file.content.retrieval]
    )


def load_suite_file(path: Path) -> LoadedFile:
    """Read the file alone; no image is looked for.

    Raises:
        UserError: it is no suite file; names what is wrong.
    """
    raw = read_toml(path, "suite file")
    try:
        content = SuiteFile.model_validate(raw)
    except ValidationError as error:
        raise UserError(f"the suite file {path}: {first_problem(error)}") from error
    root = (path.parent / content.root).resolve()
    backbone = parse(_weights_beside(content.backbone, path.parent))
    return LoadedFile(path, content, root, backbone)


def _weights_beside(backbone: str, folder: Path) -> str:
    """``NAME:FILE`` with the file as seen from the suite file's folder, if one is there."""
    name, _, weights = backbone.partition(":")
    there = weights and (folder / weights).is_file()
    return f"{name}:{folder / weights}" if there else backbone


def assemble(
    file: LoadedFile,
    tasks: Sequence[ReadTask],
    held_out: Sequence[ReadTask] = (),
    retrieval: Sequence[ReadRetrieval] = (),
) -> Suite:
    """Make a suite of a file, its tasks and what is evaluated beside them.

    Raises:
        UserError: they do not go together; names what is wrong.
    """
    never_learned: list[ReadTask | ReadRetrieval] = [*held_out, *retrieval]
    must_be_in_no_task(never_learned, tasks)
    content = file.content
    images = [image for task in tasks for image in task.images]
    digests = [digest for task in tasks for digest in task.digests]
    remarks = (remark for read in (*tasks, *never_learned) for remark in read.remarks)
    try:
        return Suite(
            name=content.name,
            about=content.about,
            tasks=tuple(task.spec for task in tasks),
            held_out=tuple(read.spec for read in held_out),
            retrieval=tuple(read.spec for read in retrieval),
            always_held_out=True,
            orders=content.all_orders(),
            backbone=file.backbone,
            protocol=content.protocol,
            budget=content.budget(),
            settings_of=content.settings_of(),
            remarks=(*remarks, *same_bytes(images, digests), *short_orders(content)),
        )
    except ValidationError as error:
        raise UserError(f"the suite file {file.path}: {first_problem(error)}") from error


def short_orders(file: SuiteFile) -> tuple[str, ...]:
    """The orders that do not have every task."""
    names = [name for task in file.tasks for name in task.names()]
    lacking = {o: [n for n in names if n not in tasks] for o, tasks in file.all_orders().items()}
    return tuple(
        f"order {order} leaves out {', '.join(left_out)}"
        for order, left_out in lacking.items()
        if left_out
    )
