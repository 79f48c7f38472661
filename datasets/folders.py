"""A suite of one's own: a TOML file that names tasks as folders of images. Listing needs no torch."""

from __future__ import annotations

import hashlib
import os
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from cl_bench.benchmark.config import Protocol, Settings, read_toml
from cl_bench.benchmark.errors import UserError
from cl_bench.datasets.backbones import parse
from cl_bench.datasets.suite import FolderSource, Suite, TaskSpec

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"})
Share = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class FolderTask(Settings):
    """``[[tasks]]`` of a suite file: one folder per class, split already or to be split."""

    name: str
    train: Path | None = None
    """Folder of class folders with the training images."""
    test: Path | None = None
    """The same with the test images."""
    images: Path | None = None
    """Instead of ``train`` and ``test``: one folder of class folders, to be split."""
    test_share: Share = 0.2
    """Part of every class that is held out of ``images``."""
    split_seed: int = 0
    """Decides which images of ``images`` are held out."""
    exclude: tuple[str, ...] = ()
    """Class folders to leave out."""
    templates: tuple[str, ...] = ("a photo of a {}.",)
    """Prompts; the first is trained with."""
    classnames: dict[str, str] = Field(default_factory=dict)
    """What to call a class folder in prompts, where not by its own name."""

    @model_validator(mode="after")
    def _one_way(self) -> FolderTask:
        given = {name for name in ("train", "test", "images") if getattr(self, name) is not None}
        if given not in ({"train", "test"}, {"images"}):
            raise ValueError("give either `train` and `test`, or `images` alone")
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
    tasks: Annotated[tuple[FolderTask, ...], Field(min_length=1)]


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
        settings["backbone"] = parse(file.backbone)
        tasks = tuple(_list_task(task, root) for task in file.tasks)
        return Suite(tasks=tasks, orders=orders, **settings)
    except ValidationError as error:
        raise UserError(f"the suite file {path}: {first_problem(error)}") from error


def first_problem(error: ValidationError) -> str:
    """The first thing a validation found, in one line: where, what, and the value given."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"])
    given: Any = problem["input"]
    shown = f" (given: {given!r})" if not isinstance(given, dict | list | tuple) else ""
    words = problem["msg"].removeprefix("Value error, ")
    return f"{where + ': ' if where else ''}{words}{shown}"


def _list_task(task: FolderTask, root: Path) -> TaskSpec:
    """Find the task's classes and images."""
    if task.images is not None:
        classes = _classes(root / task.images, task.exclude)
        train, test = _split(classes, task)
    else:
        assert task.train is not None and task.test is not None
        classes = _classes(root / task.train, task.exclude)
        held_out = _classes(root / task.test, task.exclude)
        if held_out.keys() != classes.keys():
            odd = ", ".join(sorted(held_out.keys() ^ classes.keys()))
            raise UserError(f"task {task.name}: only one of train and test has the classes {odd}")
        train = [(p, c) for c, paths in enumerate(classes.values()) for p in paths]
        test = [(p, c) for c, paths in enumerate(held_out.values()) for p in paths]
    if unknown := task.classnames.keys() - classes.keys():
        raise UserError(f"task {task.name}: classnames names no folder: {', '.join(unknown)}")
    source = FolderSource(
        root=root,
        train=_relative(train, root),
        test=_relative(test, root),
        fingerprint=_fingerprint(root, train, test),
    )
    return TaskSpec(
        name=task.name,
        classnames=tuple(task.classnames.get(c, c.replace("_", " ")) for c in classes),
        templates=task.templates,
        source=source,
        train_size=len(train),
        test_size=len(test),
    )


def _classes(folder: Path, exclude: Sequence[str]) -> dict[str, list[Path]]:
    """Class folder name -> its image files, both sorted."""
    if not folder.is_dir():
        raise UserError(f"the image folder {folder} does not exist")
    classes = {
        d.name: sorted(f for f in d.iterdir() if f.suffix.lower() in SUFFIXES)
        for d in sorted(folder.iterdir())
        if d.is_dir() and d.name not in exclude
    }
    if empty := [name for name, files in classes.items() if not files]:
        raise UserError(f"the class folder {folder / empty[0]} holds no image")
    if len(classes) < 2:
        raise UserError(f"{folder} holds {len(classes)} class folders; a task needs two or more")
    return classes


Listing = list[tuple[Path, int]]


def _split(classes: dict[str, list[Path]], task: FolderTask) -> tuple[Listing, Listing]:
    """Hold ``test_share`` of every class out, the same files for the same seed."""
    train: Listing = []
    test: Listing = []
    for c, (name, files) in enumerate(classes.items()):
        shuffled = files.copy()
        random.Random(f"{task.split_seed}/{name}").shuffle(shuffled)
        held_out = max(1, round(task.test_share * len(files)))
        if held_out == len(files):
            raise UserError(f"task {task.name}: class {name} has too few images to be split")
        test += [(p, c) for p in sorted(shuffled[:held_out])]
        train += [(p, c) for p in sorted(shuffled[held_out:])]
    return train, test


def _relative(listing: Listing, root: Path) -> tuple[tuple[str, int], ...]:
    return tuple((_below(path, root), c) for path, c in listing)


def _below(path: Path, root: Path) -> str:
    """``path`` as seen from ``root``, with forward slashes; may climb out of it with ``..``."""
    return Path(os.path.relpath(path, root)).as_posix()


def _fingerprint(root: Path, *listings: Listing) -> str:
    sha = hashlib.sha256()
    for listing in listings:
        for path, c in listing:
            sha.update(f"{_below(path, root)}\0{path.stat().st_size}\0{c}\n".encode())
        sha.update(b"--\n")
    return sha.hexdigest()
