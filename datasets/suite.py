"""A suite: tasks, prompts, backbone, budget and protocol under one digest. No torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from cl_bench.benchmark.config import Backbone, Budget, Protocol, Settings, SuiteId, digest_of
from cl_bench.benchmark.errors import UserError, unknown

Count = Annotated[int, Field(ge=1)]


class MiniSource(Settings):
    """Images drawn by the package itself."""

    kind: Literal["mini"] = "mini"
    domain: str


class MtilSource(Settings):
    """One of the eleven MTIL data sets, in its published layout under a data root."""

    kind: Literal["mtil"] = "mtil"
    dataset: str
    root: Path | None = None
    """The data set's own root, in the place of the run's data root."""
    native: int | None = None
    """Side of its images where all are small and square."""


class FolderSource(Settings):
    """Image files in one folder per class, listed and pinned by ``fingerprint``."""

    kind: Literal["folder"] = "folder"
    root: Path
    train: tuple[tuple[str, int], ...]
    """Path below ``root`` and class index of every training image."""
    test: tuple[tuple[str, int], ...]
    fingerprint: str
    """SHA-256 over paths, sizes and classes, in order."""


Source = Annotated[MiniSource | MtilSource | FolderSource, Field(discriminator="kind")]


class TaskSpec(Settings):
    """A task before its images are loaded."""

    name: Annotated[str, Field(pattern=r"^[\w.+ -]+$")]
    classnames: tuple[str, ...]
    templates: Annotated[tuple[str, ...], Field(min_length=1)]
    other_templates: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Lists that take the place of ``templates`` under another ``Protocol.wording``."""
    source: Source
    train_size: int
    test_size: int

    @field_validator("templates")
    @classmethod
    def _one_hole(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if template.count("{}") != 1:
                raise ValueError(f"the template {template!r} needs exactly one {{}}")
        return templates

    def worded(self, wording: str) -> TaskSpec:
        """The task with the prompts of that list, where it has one."""
        templates = self.other_templates.get(wording, self.templates)
        return self.model_copy(update={"templates": templates})

    def identity(self) -> dict[str, Any]:
        """What distinguishes the task's content, wherever its files lie.

        A field at its default is left out, so that one that is added later parts no results.
        """
        content = self.model_dump(mode="json", exclude={"source"}, exclude_defaults=True)
        if isinstance(self.source, FolderSource):
            return content | {"files": self.source.fingerprint}
        return content | {"source": self.source.model_dump(mode="json", exclude={"root"})}


class Suite(Settings):
    """A named list of tasks and all that results on them depend on, the method aside."""

    name: str
    about: str
    """One line in words, shown wherever results are."""
    version: int = 1
    """Raised when the images that a name stands for change."""
    tasks: tuple[TaskSpec, ...]
    orders: dict[str, tuple[str, ...]]
    backbone: Backbone
    protocol: Protocol = Protocol()
    batch_size: Count = 64
    epochs: Count = 10
    epochs_per_task: dict[str, dict[str, Count]] = Field(default_factory=dict)
    """Per order, the tasks that are trained for another number of epochs."""
    steps: Count | None = None
    """Optimiser steps of every task, in the place of epochs."""
    few_shot_steps: Count = 500
    """In the place of ``steps`` and ``epochs`` where few images of a class are trained on."""
    preset: Literal["paper", "fair"] = "fair"
    """What a run follows when the user does not say."""

    @model_validator(mode="after")
    def _orders_name_tasks(self) -> Suite:
        names = {task.name for task in self.tasks}
        for order, tasks in self.orders.items():
            if missing := [t for t in tasks if t not in names]:
                raise ValueError(f"order {order} names {', '.join(missing)}: no such task")
        return self

    def identify(self) -> SuiteId:
        """Name, words and digest."""
        content = {
            "name": self.name,
            "version": self.version,
            "backbone": self.backbone.identity(),
            "tasks": [task.identity() for task in self.tasks],
        }
        return SuiteId(name=self.name, about=self.about, digest=digest_of(content))

    def by_task(self, values: dict[str, Any]) -> dict[str, Any]:
        """``values`` under this suite's task names; a prefix ``<suite>-`` may be left out.

        Names of other suites' tasks are dropped, so that published values serve a suite that stands
        for another.
        """
        names = [task.name for task in self.tasks]
        short = {name.removeprefix(f"{self.name}-"): name for name in names}
        return {short.get(key, key): v for key, v in values.items() if key in (*short, *names)}

    def task(self, name: str) -> TaskSpec:
        """The task called ``name``; a prefix ``<suite>-`` may be left out.

        Raises:
            UserError: there is none.
        """
        for task in self.tasks:
            if name.lower() in (task.name.lower(), task.name.lower().removeprefix(f"{self.name}-")):
                return task
        raise unknown(f"task of suite {self.name}", name, [t.name for t in self.tasks])

    def order(self, order: str) -> tuple[str, tuple[TaskSpec, ...]]:
        """An order's name and tasks: a named order, or task names separated by commas.

        Raises:
            UserError: a name is unknown or stands twice.
        """
        if order in self.orders:
            return order, tuple(self.task(name) for name in self.orders[order])
        if "," not in order and order.lower() not in {t.name.lower() for t in self.tasks}:
            raise unknown(f"order of suite {self.name}", order, [*self.orders, "<task>,<task>,..."])
        tasks = tuple(self.task(name.strip()) for name in order.split(",") if name.strip())
        if len({task.name for task in tasks}) < len(tasks):
            raise UserError(f"the order {order!r} names a task twice")
        return "custom", tasks

    def budget(self, order: str, tasks: tuple[TaskSpec, ...]) -> Budget:
        """Batch size and optimiser steps of ``tasks`` in ``order``; partial batches are kept."""
        special = self.by_task(self.epochs_per_task.get(order, {}))
        steps = {
            task.name: self.steps
            or special.get(task.name, self.epochs) * -(-task.train_size // self.batch_size)
            for task in tasks
        }
        return Budget(batch_size=self.batch_size, steps=steps)
