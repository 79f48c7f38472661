"""A suite: tasks, prompts, backbone, budget and protocol under one digest. No torch."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from cl_bench.benchmark.config import Backbone, Protocol, Settings, SuiteId, digest_of
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.budget_rule import BudgetRule, Count
from cl_bench.datasets.random_orders import drawn
from cl_bench.datasets.retrieval_set import NAME, RetrievalSpec

MARKS = ("<start_of_text>", "<end_of_text>", "<|startoftext|>", "<|endoftext|>")
ALL, NONE = "all", "none"  # words of --held-out and --retrieval
NO_LETTERS = frozenset({"Cc", "Cs", "Zl", "Zp"})  # control characters and ends of lines


def _twice(values: Iterable[str]) -> str | None:
    """A value that stands there twice."""
    return next((value for value, count in Counter(values).items() if count > 1), None)


def _has_one_hole(template: str) -> bool:
    try:
        return template.count("{}") == 1 and "{" not in template.format("")
    except (IndexError, KeyError, ValueError):
        return False


def mark_in(text: str) -> str | None:
    """What a tokenizer would take for an end of the text."""
    return next((mark for mark in MARKS if mark in text.lower()), None)


def _must_be_no_mark(text: str) -> None:
    """Raise ``ValueError`` where a tokenizer would take a part of ``text`` for an end of the text."""
    if mark := mark_in(text):
        raise ValueError(
            f"{text!r} holds {mark!r}, which means an end of the text to the tokenizer"
        )


class MiniSource(Settings):
    """Images drawn by the package itself."""

    kind: Literal["mini"] = "mini"
    domain: str


class MiniWorldSource(Settings):
    """Images of a mini domain, drawn anew and as another world shows them."""

    kind: Literal["mini-world"] = "mini-world"
    domain: str
    world: Annotated[int, Field(ge=1)]
    """Which one, from 1 on; the first looks as the mini suite does."""


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
    """SHA-256 over paths, content and classes, in order."""


Source = Annotated[
    MiniSource | MiniWorldSource | MtilSource | FolderSource, Field(discriminator="kind")
]


class TaskSpec(Settings):
    """A task before its images are loaded."""

    name: Annotated[str, Field(pattern=NAME)]
    classnames: Annotated[tuple[str, ...], Field(min_length=2)]
    templates: Annotated[tuple[str, ...], Field(min_length=1)]
    other_templates: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    """Lists that take the place of ``templates`` under another ``Protocol.wording``."""
    part: tuple[int, ...] = ()
    """Of the source's classes, the indices of those that are the task's, ascending; empty: all are."""
    source: Source
    train_size: Annotated[int, Field(ge=0)]
    """0 where it is held out and no training images are known of it."""
    test_size: Count

    @field_validator("classnames")
    @classmethod
    def _names_are_words(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            control = [c for c in name if unicodedata.category(c) in NO_LETTERS]
            if control or name != name.strip() or not name:
                raise ValueError(
                    f"the class name {name!r} is empty, begins or ends with a space, or holds a control "
                    "character"
                )
            _must_be_no_mark(name)
        if twice := _twice(names):
            raise ValueError(f"two classes have the name {twice!r}")
        return names

    @field_validator("templates")
    @classmethod
    def _one_hole(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if not _has_one_hole(template):
                raise ValueError(
                    f"the template {template!r} needs exactly one {{}} and no other brace"
                )
            _must_be_no_mark(template)
        if twice := _twice(templates):
            raise ValueError(f"the template {twice!r} stands twice")
        return templates

    def worded(self, wording: str) -> TaskSpec:
        """The task with the prompts of that list, where it has one."""
        templates = self.other_templates.get(wording, self.templates)
        return self.model_copy(update={"templates": templates})

    def identity(self) -> dict[str, Any]:
        """What distinguishes the task's content, wherever its files lie.

        A field at its default is left out: so a field that is added later changes no earlier digest.
        """
        content = self.model_dump(mode="json", exclude={"source"}, exclude_defaults=True)
        if isinstance(self.source, FolderSource):
            return content | {"files": self.source.fingerprint}
        return content | {"source": self.source.model_dump(mode="json", exclude={"root"})}


class Suite(Settings):
    """A named list of tasks, with everything but the method that their results depend on."""

    name: str
    about: str
    """One line in words, shown wherever results are."""
    version: int = 1
    """Raised when the images that a name stands for change."""
    tasks: Annotated[tuple[TaskSpec, ...], Field(min_length=1)]
    orders: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]]
    held_out: tuple[TaskSpec, ...] = ()
    """Data sets of which test images are evaluated and nothing is learned. They are not in the suite's
    digest: a run that evaluates them holds theirs."""
    retrieval: tuple[RetrievalSpec, ...] = ()
    """Captioned pictures that are searched and never learned; not in the suite's digest either."""
    always_held_out: bool = False
    """Whether both are evaluated where nothing is said."""
    backbone: Backbone
    protocol: Protocol = Protocol()
    budget: BudgetRule = BudgetRule()
    """How long its tasks are trained where neither the method nor the user says otherwise."""
    preset: Literal["paper", "fair"] = "fair"
    """What a run follows when the user does not say."""
    settings_of: str | None = None
    """The suite whose settings of methods and extra data it takes; ``None``: it has its own."""
    remarks: tuple[str, ...] = ()
    """What was found when its images were listed and a reader of results must know; not in the
    digest."""

    @model_validator(mode="after")
    def _names_differ(self) -> Suite:
        sets = [("task", t.name) for t in self.tasks]
        sets += [("held-out set", h.name) for h in self.held_out]
        sets += [("retrieval set", r.name) for r in self.retrieval]
        if twice := _twice(self.key(name) for _, name in sets):
            (a, first), (b, second) = [s for s in sets if self.key(s[1]) == twice][:2]
            both = f"two {a}s" if a == b else f"a {a} and a {b}"
            raise ValueError(
                f"{both} have the names {first!r} and {second!r}, which are the same to "
                "--order: neither case nor the suite's name before a task's counts"
            )
        for kind, name in sets:
            if kind != "task" and self.key(name) in (ALL, NONE):
                option = f"--{kind.removesuffix(' set')}"
                raise ValueError(f"the {kind} {name!r} has the name of a word of {option}")
        return self

    @model_validator(mode="after")
    def _tasks_have_training_images(self) -> Suite:
        if empty := next((task.name for task in self.tasks if task.train_size == 0), None):
            raise ValueError(f"the task {empty} has no training image")
        return self

    @model_validator(mode="after")
    def _orders_name_tasks(self) -> Suite:
        names = {task.name for task in self.tasks}
        for order, tasks in self.orders.items():
            if missing := [t for t in tasks if t not in names]:
                raise ValueError(f"order {order} names {', '.join(missing)}: no such task")
            if twice := _twice(tasks):
                raise ValueError(f"order {order} names the task {twice} twice")
            if order in names:
                raise ValueError(f"order {order} has the name of a task; call it otherwise")
        return self

    @property
    def settings_name(self) -> str:
        """The suite under whose name settings of methods and extra data are looked up."""
        return self.settings_of or self.name

    def key(self, name: str) -> str:
        """A data set's name for look-ups: without case, prefix ``<suite>-`` and ways to write an accent."""
        return unicodedata.normalize("NFC", name.lower()).removeprefix(f"{self.name.lower()}-")

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
            if self.key(name) == self.key(task.name):
                return task
        raise unknown(f"task of suite {self.name}", name, [t.name for t in self.tasks])

    def order(self, order: str) -> tuple[str, tuple[TaskSpec, ...]]:
        """An order's name and tasks: a named or random order, or task names separated by commas.

        Raises:
            UserError: a name is unknown or stands twice.
        """
        if order in self.orders:
            return order, tuple(self.task(name) for name in self.orders[order])
        is_task = self.key(order) in {self.key(task.name) for task in self.tasks}
        if not is_task and (tasks_drawn := drawn(order, [task.name for task in self.tasks])):
            return order, tuple(self.task(name) for name in tasks_drawn)
        if "," not in order and not is_task:
            raise unknown(
                f"order of suite {self.name}",
                order,
                [*self.orders, "random-1", "<task>,<task>,..."],
            )
        tasks = tuple(self.task(name.strip()) for name in order.split(",") if name.strip())
        if not tasks:
            raise UserError(f"the order {order!r} names no task")
        if len({task.name for task in tasks}) < len(tasks):
            raise UserError(f"the order {order!r} names a task twice")
        return "custom", tasks
