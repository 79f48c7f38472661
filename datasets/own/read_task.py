"""What the tasks of a suite file turn out to be: classes, prompts and image files. No torch."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pydantic import ValidationError

from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.benchmark.user_file import first_problem
from cl_bench.datasets.checks.prompts import prompts_of, same_first_prompts, shown
from cl_bench.datasets.checks.same_images import Place, Placed, check_each_file_once
from cl_bench.datasets.images.content import digests_of
from cl_bench.datasets.mini.long import in_world
from cl_bench.datasets.mini.suite import mini_suite
from cl_bench.datasets.mtil.layout import facts
from cl_bench.datasets.mtil.suites import partial_task
from cl_bench.datasets.own.folders import Entries, Files, fingerprint
from cl_bench.datasets.progress import ProgressCallback
from cl_bench.datasets.task_spec import FolderSource, TaskSpec

TEMPLATE = "a photo of a {}."


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


def domain_task(
    name: str, domain: str, world: int | None, templates: tuple[str, ...] | None
) -> ReadTask:
    """A domain of the mini suite, whose images are drawn.

    Args:
        name: what it is called.
        domain: whose classes and pictures; the prefix ``mini-`` may be left out.
        world: how its pictures look; ``None``: as the mini suite has them.
        templates: prompts, where they are not the domain's own.

    Raises:
        UserError: there is no such domain.
    """
    mini = mini_suite().task(domain)
    spec = mini if world is None else in_world(mini, world)
    own = {"templates": templates} if templates else {}
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
