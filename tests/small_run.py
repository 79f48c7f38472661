"""A small in-process run on the mini suite: two or three tasks, few images, few steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from cl_bench.benchmark.assets import Assets
from cl_bench.benchmark.held_out import HeldOutSets
from cl_bench.benchmark.images import Images
from cl_bench.benchmark.interval import Interval
from cl_bench.benchmark.method import Method
from cl_bench.benchmark.method_config import Need
from cl_bench.benchmark.record import RunFolder, RunResult
from cl_bench.benchmark.rows import Division
from cl_bench.benchmark.run import Listener, run
from cl_bench.benchmark.task import Task, TaskStream
from cl_bench.datasets.client_split import ClientSplit
from cl_bench.datasets.extra.references import find_sources, load_assets
from cl_bench.datasets.extra.source import TaskNames
from cl_bench.datasets.images.store import Store
from cl_bench.datasets.retrieval_images import load_retrieval
from cl_bench.datasets.streams import build_stream, load_held_out
from cl_bench.datasets.task_spec import TaskSpec
from cl_bench.experiment.assemble import MethodFactory
from cl_bench.experiment.choices import Choices
from cl_bench.experiment.resolve import Plan, resolve

SHARED = Division(shared=True)  # as a run has it: alone, this changes nothing
# The selector's training would take longer than everything else.
SHORT = {"moe-adapters": ("selector_steps=30", "reference_steps=30")}
FOLDER = Path(__file__).parents[1] / "examples" / "methods"
EXAMPLES = {  # methods of the docs -> their files
    "bottleneck": FOLDER / "adapter.py",
    "distilled": FOLDER / "distillation.py",
    "prompt-per-task": FOLDER / "prompt.py",
    "replay": FOLDER / "memory.py",
}


def small_plan(method: str, order: str = "II", tasks: int = 2, **choices: Any) -> Plan:
    """A plan of ``tasks`` tasks with eight steps each."""
    overrides = ("steps=8", *SHORT.get(method, ()), *choices.pop("overrides", ()))
    if method in EXAMPLES:
        choices = {"plugin": EXAMPLES[method], **choices}
    chosen = Choices(
        suite="mini", method=method, order=order, tasks=tasks, device="cpu", overrides=overrides,
        **choices,
    )  # fmt: skip
    return resolve(chosen)


def fresh(plan: Plan) -> Method:
    """The plan's method around the pre-trained tiny CLIP."""
    needs = plan.entry.method.Config.model_validate(plan.config.method_settings).needs()
    assets = _assets(needs, tuple(plan.sources), plan.config.tasks)
    if "all tasks" in needs:
        assets = replace(assets, stream=small_stream(plan))
    return MethodFactory(plan, assets)()


@cache
def _assets(needs: tuple[Need, ...], found: tuple[Need, ...], tasks: tuple[str, ...]) -> Assets:
    """What comes with the mini suite; methods only read it."""
    plan = small_plan("zero-shot")
    suite, backbone = plan.suite.name, plan.suite.backbone.name
    names = TaskNames(tasks)
    sources = find_sources(found, Choices(), suite, backbone, at_least=1, tasks=names)
    return load_assets(sources, needs, TaskStream("none", ()), 32, "cpu", Store())


def small_stream(plan: Plan) -> TaskStream:
    """Every fifth training and every fourth test image of the plan's tasks, shared among its clients."""
    stream = _small_stream(tuple(task.model_dump_json() for task in plan.tasks))
    split = ClientSplit.of(plan.config.protocol, plan.config.seed)
    if split is None:
        return stream
    owners = [torch.from_numpy(split.choose(t.train.targets.numpy(), t.name)) for t in stream.tasks]
    tasks = zip(stream.tasks, owners, strict=True)
    return replace(stream, tasks=tuple(replace(t, clients=owner) for t, owner in tasks))


@cache
def _small_stream(specs: tuple[str, ...]) -> TaskStream:
    """Drawn once in a process; nothing writes into the images of a stream."""
    tasks = tuple(TaskSpec.model_validate_json(spec) for spec in specs)
    stream = build_stream("mini", tasks, image_size=32)
    return TaskStream(
        "mini",
        tuple(Task(t.name, t.labels, _every(t.train, 5), _every(t.test, 4)) for t in stream.tasks),
    )


def _every(images: Images, nth: int) -> Images:
    return Images(images.pixels[::nth].contiguous(), images.targets[::nth].contiguous())


def small_run(
    plan: Plan,
    path: Path,
    make_method: Callable[[], Method] | None = None,
    listen: Listener = lambda event: None,
    division: Division = SHARED,
    every: str = "off",
) -> RunResult:
    """Run the plan in ``path``; ``every`` says how often a state within a task is kept."""
    folder, keeps, start = RunFolder(path), plan.keeps, plan.start
    make = make_method or (lambda: fresh(plan))
    stream, interval = small_stream(plan), Interval.of(every)
    beside = small_held_out(plan.held_out), load_retrieval(plan.retrieval, 32, Store())
    return run(plan.config, make, stream, folder, listen, division, interval, *beside, keeps, start)


def small_held_out(specs: tuple[TaskSpec, ...]) -> HeldOutSets:
    """Every fourth image of held-out sets."""
    loaded = load_held_out(specs, 32, Store()).sets
    return HeldOutSets(tuple(replace(s, test=_every(s.test, 4)) for s in loaded))
