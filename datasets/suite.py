"""A suite: tasks, prompts, backbone, budget and protocol under one digest. No torch."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from cl_bench.benchmark.config import Backbone, Protocol, Settings, SuiteId, digest_of
from cl_bench.benchmark.errors import UserError, unknown
from cl_bench.datasets.budget_rule import BudgetRule
from cl_bench.datasets.random_orders import drawn
from cl_bench.datasets.retrieval_set import RetrievalSpec
from cl_bench.datasets.task_spec import TaskSpec, twice

ALL, NONE = "all", "none"  # words of --held-out and --retrieval


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
        if same := twice(self.key(name) for _, name in sets):
            (a, first), (b, second) = [s for s in sets if self.key(s[1]) == same][:2]
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
            if again := twice(tasks):
                raise ValueError(f"order {order} names the task {again} twice")
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
