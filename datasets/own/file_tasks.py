"""``[[tasks]]`` of a suite file: where a task's images are, and what they turn out to be. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Protocol

from pydantic import Field, ValidationError, model_validator

from cl_bench.benchmark.config import Settings
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.benchmark.truth_values import numbers_are_numbers
from cl_bench.benchmark.user_file import first_problem
from cl_bench.datasets.checks.prompts import prompts_of, same_first_prompts, shown
from cl_bench.datasets.checks.same_images import Place, Placed, check_each_file_once
from cl_bench.datasets.images.content import digests_of
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.mtil.suites import partial_task
from cl_bench.datasets.own.folders import (
    Entries,
    Files,
    fingerprint,
    list_folder,
    list_split_folders,
)
from cl_bench.datasets.own.image_lists import read_image_list
from cl_bench.datasets.progress import ProgressCallback, silent
from cl_bench.datasets.suite import FolderSource, TaskSpec

Share = Annotated[float, Field(gt=0, lt=1)]
TEMPLATE = "a photo of a {}."
# What a task may say besides its name and its prompts, per way to name its images.
OPTIONS = {
    ("train", "test"): {"exclude", "classnames"},
    ("images",): {"exclude", "classnames", "test_share", "split_seed"},
    ("list",): {"classnames", "test_share", "split_seed"},
    ("layout",): {"below"},
}


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
            raise ValueError("give `train` and `test`, or one of `images`, `list` and `layout`")
        others = self.model_fields_set - given - OPTIONS[way] - {"name", "templates"}
        if others:
            raise ValueError(
                f"`{min(others)}` has no meaning beside `{'` and `'.join(way)}`; remove it"
            )
        return self


@dataclass(frozen=True)
class ReadTask:
    """A task and its image files.

    Attributes:
        spec: the task.
        images: its files; empty for ``layout`` tasks, whose files are listed when they are opened.
        digests: of their bytes, in the same order.
        remarks: what a reader of results must know.
    """

    spec: TaskSpec
    images: tuple[Placed, ...] = ()
    digests: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()


def read_task(
    task: FileTask, root: Path, backbone: str, on_progress: ProgressCallback = silent
) -> ReadTask:
    """Find a task's classes and images, and make sure that they differ.

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
        return of_files(task, _files(task, root), root, on_progress)

    return named(f"task {task.name}", read, backbone)


def named(what: str, read: Callable[[], ReadTask], backbone: str) -> ReadTask:
    """A task or a held-out set with its name before every remark, and before what is wrong with it.

    Args:
        what: its kind and name.
        read: finds its images.
        backbone: whose tokenizer reads the prompts, which must differ.

    Raises:
        UserError: ``read`` finds that something is wrong.
    """
    try:
        found = read()
        _check_prompts_differ(found, backbone)
    except ValidationError as error:
        raise UserError(f"{what}: {first_problem(error)}") from error
    except UserError as error:
        raise UserError(f"{what}: {error}") from error
    return replace(found, remarks=tuple(f"{what}: {remark}" for remark in found.remarks))


class Named(Protocol):
    """What is said of a task or a held-out set beside its images."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def classnames(self) -> Mapping[str, str]:
        """What to call a class in prompts, where not by its own name."""

    @property
    def templates(self) -> tuple[str, ...] | None:
        """Prompts."""


def of_files(task: Named, files: Files, root: Path, on_progress: ProgressCallback) -> ReadTask:
    """A task or held-out set whose image files are found.

    Args:
        task: as the suite file has it.
        files: its images.
        root: what their paths are kept relative to.
        on_progress: hears of the files that are read.

    Raises:
        UserError: a name stands for no class or for two, or a file stands in two places.
    """
    if odd := task.classnames.keys() - set(files.classes):
        raise UserError(f"classnames names no class: {', '.join(sorted(odd))}")
    names = tuple(task.classnames.get(c, c.strip("_").replace("_", " ")) for c in files.classes)
    _check_names_differ(files, names)
    train, test = files.below(root)
    images = (
        *_placed(task, files, root, "train", train),
        *_placed(task, files, root, "test", test),
    )
    check_each_file_once(images)
    digests = digests_of([image.file for image in images], on_progress)
    contents = (digests[: len(train)], digests[len(train) :])
    spec = TaskSpec(
        name=task.name,
        classnames=names,
        templates=task.templates or (TEMPLATE,),
        source=FolderSource(
            root=root, train=train, test=test, fingerprint=fingerprint((train, test), contents)
        ),
        train_size=len(train),
        test_size=len(test),
    )
    return ReadTask(spec, images, digests, files.remarks)


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


def _placed(
    task: Named, files: Files, root: Path, split: str, entries: Entries
) -> Iterator[Placed]:
    for path, c in entries:
        yield Placed(root / path, Place(task.name, split, files.classes[c]), path)


def layout_task(
    name: str, layout: str, below: Path, templates: tuple[str, ...] | None, root: Path
) -> ReadTask:
    """A data set in its published layout, as much of it as is there.

    Args:
        name: what it is called.
        layout: whose.
        below: the folder that holds it.
        templates: prompts, where they are not the layout's own.
        root: what ``below`` is relative to.

    Raises:
        UserError: there is no such layout, or it is damaged.
    """
    if layout not in (known := facts()["datasets"]):
        raise unknown("layout", layout, known)
    spec = partial_task(layout, (root / below).resolve())
    own = {"templates": templates, "other_templates": {}} if templates else {}
    return ReadTask(TaskSpec(**{**dict(spec), "name": name, **own}))


def _check_names_differ(files: Files, names: Sequence[str]) -> None:
    first: dict[str, int] = {}
    for c, name in enumerate(names):
        before = first.setdefault(name, c)
        if before != c:
            firsts = files.train if files.train[c] else files.test
            a, b = (f"{files.classes[i]!r} ({firsts[i][0]})" for i in (before, c))
            raise UserError(f"the classes {a} and {b} both have the name {name!r} in prompts")


def _check_prompts_differ(read: ReadTask, backbone: str) -> None:
    """Two classes with one prompt: the second would never be predicted."""
    alike = same_first_prompts(read.spec, backbone)
    if alike is None:
        return
    classes = {image.place.classname: image.shown for image in reversed(read.images)}
    folders = sorted(classes.items()) or [(name, name) for name in read.spec.classnames]
    a, b = (f"{folders[i][0]!r} ({folders[i][1]})" for i in alike)
    prompt = prompts_of(read.spec)[alike[0]][0]
    raise UserError(
        f"the classes {a} and {b} have the same prompt to the text tower: {shown(prompt)}"
    )
