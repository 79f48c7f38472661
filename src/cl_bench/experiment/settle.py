"""Every name found and every setting decided, as far as that depends on no device. No torch."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.config import Protocol
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.namesakes import meet
from cl_bench.benchmark.records.files import sha256_of
from cl_bench.datasets.catalog import check_data
from cl_bench.datasets.extra.references import find_sources
from cl_bench.datasets.extra.source import Source, TaskNames
from cl_bench.datasets.held_out import chosen_held_out, chosen_retrieval
from cl_bench.datasets.imbalance import Imbalance
from cl_bench.datasets.listings import images_of_classes
from cl_bench.datasets.retrieval_set import RetrievalSpec
from cl_bench.datasets.suite import Suite
from cl_bench.datasets.task_spec import TaskSpec
from cl_bench.experiment.choices import Choices, parse_overrides
from cl_bench.experiment.federation import settled_clients
from cl_bench.experiment.merge import Merged, merge
from cl_bench.experiment.start import FoundStart, find_start, must_be_new, must_be_one_method
from cl_bench.experiment.suites import suite_of
from cl_bench.methods.catalog import MethodEntry, find_method

if TYPE_CHECKING:
    from cl_bench.benchmark.method_config import Need


@dataclass(frozen=True)
class Settled:
    """What the choices mean, on whatever device.

    Attributes:
        choices: what was asked for.
        entry: the method and its published settings.
        suite: as it is defined here, on the run's backbone.
        data_root: folder of the MTIL data sets.
        order: ``I``, ``II`` or ``custom``.
        tasks: those that are learned, with the prompts that are used.
        held_out: data sets that are evaluated beside them, with these prompts.
        retrieval: captioned pictures that are searched beside them.
        said: every setting.
        training_images: how many of each task are trained on, where classes or tasks are made rare.
        sources: what the method needs besides the tasks.
        start: the state of another run that it begins with.
    """

    choices: Choices
    entry: MethodEntry
    suite: Suite
    data_root: Path | None
    order: str
    tasks: tuple[TaskSpec, ...]
    held_out: tuple[TaskSpec, ...]
    retrieval: tuple[RetrievalSpec, ...]
    said: Merged
    training_images: dict[str, int]
    sources: dict[Need, Source]
    start: FoundStart | None = None


def settle(choices: Choices) -> Settled:
    """Decide what needs no device; of code only a plug-in's is loaded, and that may import torch.

    Raises:
        UserError: a name or value is wrong.
    """
    suite, root = suite_of(choices)
    suite = _on_backbone(suite, choices.backbone)
    order, tasks = _tasks(choices, suite)
    held_out = chosen_held_out(suite, choices.held_out)
    retrieval = chosen_retrieval(suite, choices.retrieval)
    given = parse_overrides(choices.overrides)
    entry = find_method(choices.method or "keeplora", choices.plugin)
    said = merge(choices, given, entry, suite)
    said.method.check_recipe(said.recipe)
    told = entry.told_task and said.method.told()
    if said.protocol.labels != "own" and told:
        raise UserError(
            f"{entry.name} is told whose classes it chooses between, so it has no meaning under "
            f"--protocol {said.protocol.name}"
        )
    by_names = told or said.method.knows_tasks_by_names()
    if by_names and (twins := _same_classes((*tasks, *held_out))):
        option = "--held-out" if twins[1] in {spec.name for spec in held_out} else "--order"
        raise UserError(
            f"{entry.name} knows a task by the names of its classes, and those of {twins[0]} and "
            f"{twins[1]} are the same: leave one of them out with {option}"
        )
    counting = _counting(said.protocol, tasks, choices)
    said = replace(said, protocol=settled_clients(counting))
    images = _training_images(said.protocol, choices.seed, suite, tasks, root)
    tasks, held_out = (
        tuple(spec.worded(said.protocol.wording) for spec in specs) for specs in (tasks, held_out)
    )
    needs, at_once = said.method.needs(), said.budget.batch_size
    names, brings = _names(tasks, suite), suite.settings_name
    sources = find_sources(needs, choices, brings, suite.backbone.name, at_once, names)
    beside = held_out, retrieval
    settled = Settled(choices, entry, suite, root, order, tasks, *beside, said, images, sources)
    if choices.start_from is None:
        return settled
    return replace(settled, start=_start(settled, choices.start_from, by_names=by_names))


def _start(settled: Settled, said: str, *, by_names: bool) -> FoundStart:
    """The state of another run, if this one can go on with it."""
    found, suite, method = find_start(said), settled.suite, settled.said.method
    must_be_one_method(
        found,
        said,
        {
            "method": settled.entry.name,
            "plugin": plugin_digest(settled.entry),
            "backbone": suite.backbone,
            "method_settings": method.model_dump(mode="json"),
            "extra_data": extra_data(method.needs(), settled.sources),
        },
    )
    must_be_new(found, said, [spec.name for spec in (*settled.tasks, *settled.held_out)])
    if by_names:
        _must_differ_by_names(settled, found, said)
    return found


def _must_differ_by_names(settled: Settled, found: FoundStart, said: str) -> None:
    """Check a method that knows a task by the names of its classes: none of the run's may be known already."""
    suite, name = settled.suite, settled.entry.name
    if found.run.suite.name != suite.name:
        raise UserError(
            f"--start-from {said}: {name} knows a task by the names of its classes, and those of "
            f"{found.run.suite.name} are not known here; start from a run on {suite.name}"
        )
    before = tuple(suite.task(task) for task in found.start.tasks)
    if twins := _same_classes((*before, *settled.tasks, *settled.held_out)):
        raise UserError(
            f"--start-from {said}: {name} knows a task by the names of its classes, and those of {twins[0]} and "
            f"{twins[1]} are the same: leave {twins[1]} out"
        )


def plugin_digest(entry: MethodEntry) -> str | None:
    """SHA-256 of the file that defines the method, where ``--plugin`` named one."""
    return sha256_of(entry.plugin) if entry.plugin else None


def extra_data(needs: Iterable[Need], sources: Mapping[Need, Source]) -> dict[str, str]:
    """What every need is met by, pinned where it is a file."""
    of_the_stream: dict[Need, str] = {
        "all tasks": "of this suite, from the start",
        "earlier images": "those that the method keeps of the tasks it has learned; the log counts them",
    }
    return {n: sources[n].about if n in sources else of_the_stream[n] for n in needs}


def must_have_data(settled: Settled, out: Path) -> None:
    """Check that the data is there, unless such a run may be kept below ``out``: a finished one needs none.

    Raises:
        UserError: data is missing.
    """
    s = settled
    if not any(out.glob(f"{s.suite.name}-*/{s.entry.name}/seed{s.choices.seed}-*")):
        check_data(s.suite, s.data_root)


def _on_backbone(suite: Suite, backbone: str | None) -> Suite:
    """The suite with another CLIP than its own, where one is named."""
    if backbone is None:
        return suite
    from cl_bench.datasets.backbones import parse

    return suite.model_copy(update={"backbone": parse(backbone)})


def _tasks(choices: Choices, suite: Suite) -> tuple[str, tuple[TaskSpec, ...]]:
    """The order's name and the tasks that are learned."""
    order, tasks = suite.order(choices.order or "I")
    if choices.tasks is not None and not 1 <= choices.tasks <= len(tasks):
        raise UserError(
            f"--tasks {choices.tasks}: the order has {len(tasks)} tasks; give 1 to {len(tasks)}"
        )
    return order, tasks[: choices.tasks]


def _counting(protocol: Protocol, tasks: tuple[TaskSpec, ...], choices: Choices) -> Protocol:
    """The protocol with the rule for classes of one name, where two tasks have one."""
    if choices.namesakes and protocol.labels == "own":
        raise UserError(
            f"--namesakes {choices.namesakes}: an image is classified over the classes of its own task, of "
            "which no two have one name; add --protocol x-tail or seen, or leave it out"
        )
    meeting = protocol.labels != "own" and meet([task.classnames for task in tasks])
    rule = (protocol.namesakes or "one") if meeting else None
    return protocol.model_copy(update={"namesakes": rule})


def _training_images(
    protocol: Protocol, seed: int, suite: Suite, tasks: tuple[TaskSpec, ...], root: Path | None
) -> dict[str, int]:
    """How many images of each task are trained on, where that is not all or so many of each class."""
    imbalance = Imbalance.of(protocol, seed)
    if imbalance is None:
        return {}
    if protocol.shots is not None:
        option = "--task-imbalance" if protocol.imbalance is None else "--imbalance"
        raise UserError(
            f"{option} and --shots {protocol.shots} both say how many images of a class are trained on: give one "
            "of them (a suite may bring its own shots, as x-tail does)"
        )
    if protocol.task_imbalance is not None and len(tasks) == 1:
        raise UserError(
            f"--task-imbalance {protocol.task_imbalance:g}: there is one task only; learn more, or leave it out"
        )
    check_data(suite, root)
    kept = imbalance.counts({task.name: images_of_classes(task, root) for task in tasks})
    return {task: sum(counts) for task, counts in kept.items()}


def _names(tasks: tuple[TaskSpec, ...], suite: Suite) -> TaskNames:
    """What the tasks that are learned are called, and the others of the suite."""
    learned = tuple(task.name for task in tasks)
    return TaskNames(learned, tuple(t.name for t in suite.tasks if t.name not in learned))


def _same_classes(tasks: tuple[TaskSpec, ...]) -> tuple[str, str] | None:
    """Two tasks whose classes have the same names in the same order."""
    first: dict[tuple[str, ...], str] = {}
    for task in tasks:
        before = first.setdefault(task.classnames, task.name)
        if before != task.name:
            return before, task.name
    return None
