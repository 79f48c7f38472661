"""``[[tasks]]`` of a suite file: where a task's images are, and what they turn out to be. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.truth_values import numbers_are_numbers
from cl_bench.datasets.own.class_parts import part_names, split_by_classes
from cl_bench.datasets.own.folders import Files, list_folder, list_split_folders
from cl_bench.datasets.own.image_lists import read_image_list
from cl_bench.datasets.own.read_task import ReadTask, domain_task, layout_task, named, of_files
from cl_bench.datasets.progress import ProgressCallback, silent

Share = Annotated[float, Field(gt=0, lt=1)]
# What a task may say besides its name and its prompts, per way to name its images.
OPTIONS = {
    ("train", "test"): {"exclude", "classnames"},
    ("images",): {"exclude", "classnames", "test_share", "split_seed"},
    ("list",): {"classnames", "test_share", "split_seed"},
    ("layout",): {"below"},
    ("mini",): {"world"},
}
ALWAYS = {"name", "templates", "split", "class_seed"}


class FileTask(Settings):
    """One task: where its images are, in one of several ways."""

    _truth = numbers_are_numbers

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
    mini: str | None = None
    """Instead: one of the domains that the mini suite draws."""
    world: Annotated[int, Field(ge=1)] | None = None
    """How a domain looks, as in the suite mini-long; absent: as in the mini suite."""
    split: Annotated[int, Field(ge=2)] | None = None
    """Several tasks instead of one, each with a part of the classes; absent: one."""
    class_seed: int = 0
    """Decides which classes are in which part."""
    test_share: Share = 0.2
    """Part of every class that is held out of ``images``, or of a list without splits."""
    split_seed: int = 0
    """Decides which ones."""
    exclude: tuple[str, ...] = ()
    """Class folders to leave out."""
    templates: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Prompts; the first is trained with. By default "a photo of a {}.", or a layout's own."""
    classnames: dict[str, str] = Field(default_factory=dict)
    """What to call a class folder in prompts, where not by its own name."""

    @model_validator(mode="after")
    def _one_way(self) -> FileTask:
        ways = {name for way in OPTIONS for name in way}
        given = {name for name in ways if getattr(self, name) is not None}
        way = next((way for way in OPTIONS if set(way) == given), None)
        if way is None:
            raise ValueError(
                "give `train` and `test`, or one of `images`, `list`, `layout` and `mini`"
            )
        others = self.model_fields_set - given - OPTIONS[way] - ALWAYS
        if others:
            raise ValueError(
                f"`{min(others)}` has no meaning beside `{'` and `'.join(way)}`; remove it"
            )
        if self.split is None and "class_seed" in self.model_fields_set:
            raise ValueError("`class_seed` has no meaning without `split`; remove it")
        return self

    def names(self) -> tuple[str, ...]:
        """What the tasks are called that it becomes."""
        return (self.name,) if self.split is None else part_names(self.name, self.split)


def read_tasks(
    task: FileTask, root: Path, backbone: str, on_progress: ProgressCallback = silent
) -> tuple[ReadTask, ...]:
    """Find a task's classes and images, and make sure that they differ; several where it is split.

    Args:
        task: as the suite file has it.
        root: what its folders are relative to.
        backbone: whose tokenizer reads the prompts.
        on_progress: hears of the files that are read.

    Raises:
        UserError: something is missing or wrong; names it.
    """

    def read() -> ReadTask:
        if task.layout is not None:
            return layout_task(task.name, task.layout, task.below, task.templates, root)
        if task.mini is not None:
            return domain_task(task.name, task.mini, task.world, task.templates)
        return of_files(task, _files(task, root), root, on_progress)

    whole = named(f"task {task.name}", read, backbone)
    if task.split is None:
        return (whole,)
    try:
        return split_by_classes(whole, task.split, task.class_seed)
    except UserError as error:
        raise UserError(f"task {task.name}: {error}") from error


def _files(task: FileTask, root: Path) -> Files:
    if task.images is not None:
        return list_folder(root / task.images, task.exclude, task.test_share, task.split_seed)
    if task.list is None:
        assert task.train is not None and task.test is not None
        return list_split_folders(root / task.train, root / task.test, task.exclude)
    files = read_image_list(root / task.list, task.test_share, task.split_seed)
    ignored = task.model_fields_set & {"test_share", "split_seed"}
    if ignored and not files.drawn:
        raise UserError(
            f"`{min(ignored)}` has no meaning beside a list with a column `split`; remove it"
        )
    return files
