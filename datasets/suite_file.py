"""A suite of one's own: a TOML file that names tasks as folders or lists of images. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError, model_validator

from cl_bench.benchmark.config import Protocol, Settings, first_problem, read_toml
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.backbones import parse
from cl_bench.datasets.folders import fingerprint, list_folder, list_split_folders
from cl_bench.datasets.image_lists import read_image_list
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.mtil.suites import partial_task
from cl_bench.datasets.suite import FolderSource, Suite, TaskSpec

Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


TEMPLATE = "a photo of a {}."


class FileTask(Settings):
    """``[[tasks]]`` of a suite file: where the images of a task are, in one of several ways."""

    name: str
    train: Path | None = None
    """Folder of class folders with the training images."""
    test: Path | None = None
    """The same with the test images."""
    images: Path | None = None
    """Instead of ``train`` and ``test``: one folder of class folders, to be split."""
    list: Path | None = None
    """Instead: a CSV or Parquet file with the columns path, class and (optional) split."""
    layout: str | None = None
    """Instead: one of the eleven MTIL data sets, in its published layout."""
    below: Path = Path()
    """The folder that holds the layout."""
    test_share: Share = 0.2
    """Part of every class that is held out of ``images``, or of a list without splits."""
    split_seed: int = 0
    """Decides which ones."""
    exclude: tuple[str, ...] = ()
    """Class folders to leave out."""
    templates: tuple[str, ...] | None = None
    """Prompts; the first is trained with. By default "a photo of a {}.", or a layout's own."""
    classnames: dict[str, str] = Field(default_factory=dict)
    """What to call a class folder in prompts, where not by its own name."""

    @model_validator(mode="after")
    def _one_way(self) -> FileTask:
        ways = ("train", "test", "images", "list", "layout")
        given = {name for name in ways if getattr(self, name) is not None}
        if given not in ({"train", "test"}, {"images"}, {"list"}, {"layout"}):
            raise ValueError("give `train` and `test`, or one of `images`, `list` and `layout`")
        return self


class SuiteFile(Settings):
    """The whole file."""

    name: Annotated[str, Field(pattern=r"^[\w.+-]+$")]
    about: str
    root: Path = Path()
    """What the tasks' folders are relative to; itself relative to the file."""
    backbone: str
    """As ``--backbone`` takes it: ``tiny-clip``, ``NAME:TAG`` or ``NAME:FILE``."""
    protocol: Protocol = Protocol()
    batch_size: Count = 64
    epochs: Count = 10
    epochs_per_task: dict[str, dict[str, Count]] = Field(default_factory=dict)
    steps: Count | None = None
    orders: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    tasks: Annotated[tuple[FileTask, ...], Field(min_length=1)]


def read_suite(path: Path) -> Suite:
    """Read a suite file and list the images it names.

    Without ``[orders]``, order I is the file's own and order II its reverse.

    Raises:
        UserError: the file or one of its folders is wrong; names it.
    """
    raw = read_toml(path, "suite file")
    try:
        file = SuiteFile.model_validate(raw)
        root = (path.parent / file.root).resolve()
        names = tuple(task.name for task in file.tasks)
        orders = file.orders or {"I": names, "II": names[::-1]}
        settings = file.model_dump(exclude={"root", "tasks", "orders", "backbone"})
        settings["backbone"] = parse(_weights_beside(file.backbone, path.parent))
        tasks = tuple(_task(task, root) for task in file.tasks)
        return Suite(tasks=tasks, orders=orders, **settings)
    except ValidationError as error:
        raise UserError(f"the suite file {path}: {first_problem(error)}") from error


def _weights_beside(backbone: str, folder: Path) -> str:
    """``NAME:FILE`` with the file as seen from the suite file's folder, if one is there."""
    name, _, weights = backbone.partition(":")
    there = weights and (folder / weights).is_file()
    return f"{name}:{folder / weights}" if there else backbone


def _task(task: FileTask, root: Path) -> TaskSpec:
    """Find the task's classes and images."""
    if task.layout is not None:
        return _layout_task(task, root)
    if task.images is not None:
        files = list_folder(root / task.images, task.exclude, task.test_share, task.split_seed)
    elif task.list is not None:
        files = read_image_list(root / task.list, task.test_share, task.split_seed)
    else:
        assert task.train is not None and task.test is not None
        files = list_split_folders(root / task.train, root / task.test, task.exclude)
    if odd := task.classnames.keys() - set(files.classes):
        raise UserError(f"task {task.name}: classnames names no class: {', '.join(odd)}")
    train, test = files.below(root)
    return TaskSpec(
        name=task.name,
        classnames=tuple(task.classnames.get(c, c.replace("_", " ")) for c in files.classes),
        templates=task.templates or (TEMPLATE,),
        source=FolderSource(
            root=root, train=train, test=test, fingerprint=fingerprint(root, train, test)
        ),
        train_size=len(train),
        test_size=len(test),
    )


def _layout_task(task: FileTask, root: Path) -> TaskSpec:
    """A data set in its published layout, as much of it as is there."""
    assert task.layout is not None
    if task.layout not in (known := facts()["datasets"]):
        raise unknown(f"layout of task {task.name}", task.layout, known)
    spec = partial_task(task.layout, (root / task.below).resolve())
    changes = {"name": task.name} | ({"templates": task.templates} if task.templates else {})
    return spec.model_copy(update=changes)
