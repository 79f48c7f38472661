"""A whole run of two toy tasks with a tiny CLIP: the runner and its files, in a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from small_run import small_plan
from two_tasks import BATCH, NAMES, STEPS, Watch, known, tiny_models, toy_assets, toy_task

from cl_bench.benchmark.config import Budget, RunConfig
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.run import run
from cl_bench.benchmark.task import Task, TaskStream

TASKS = tuple(toy_task(i, names, on_device=False) for i, names in enumerate(NAMES))


def untouched(method: Method) -> None:
    """Leave the method as it is."""


def tiny_run(
    name: str,
    folder: Path,
    change: Callable[[Method], None] = untouched,
    tasks: tuple[Task, ...] = TASKS,
    **more: Any,
) -> RunResult:
    """Begin or continue a run in a folder.

    Args:
        name: of the method.
        folder: of the run.
        change: what is done to the method when it is made.
        tasks: two, called as the usual ones are.
        more: settings of the method.
    """
    make, _ = known(name, **more)

    def changed() -> Method:
        clip, selector = tiny_models(Watch(None))
        method = make(clip, toy_assets(tasks, selector))
        change(method)
        return method

    return run(_config(name), changed, TaskStream("toys", tasks), RunFolder(folder), lambda _: None)


@cache
def _config(name: str) -> RunConfig:
    names = tuple(task.name for task in TASKS)
    budget = Budget(batch_size=BATCH, steps=dict.fromkeys(names, STEPS))
    config = small_plan(name).config
    return config.model_copy(update={"tasks": names, "budget": budget})
