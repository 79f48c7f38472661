"""From what was asked for to a run that can be started: on which device, in which directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.config import Budget, RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.interval import USUAL, Interval
from cl_bench.benchmark.records.keeps import Keeps
from cl_bench.datasets.budget_rule import BudgetRule
from cl_bench.datasets.checks.namesakes import namesakes
from cl_bench.datasets.checks.prompts import cut_captions, cut_prompts
from cl_bench.datasets.extra.source import Source
from cl_bench.datasets.held_out import content_digest
from cl_bench.datasets.pretrained import preprocessing
from cl_bench.datasets.retrieval_set import RetrievalSpec
from cl_bench.datasets.suite import Suite
from cl_bench.datasets.task_spec import TaskSpec
from cl_bench.experiment.arithmetic import choose_device, computed_on, must_compute
from cl_bench.experiment.choices import RUNS, Choices
from cl_bench.experiment.departures import departures
from cl_bench.experiment.federation import AVERAGED, must_be_shared
from cl_bench.experiment.fitted import fitted_per_task
from cl_bench.experiment.places import recorded
from cl_bench.experiment.settle import Settled, extra_data, must_have_data, plugin_digest, settle
from cl_bench.experiment.start import caveat
from cl_bench.experiment.suites import cache_folder
from cl_bench.experiment.train_size import train_size
from cl_bench.methods.catalog import MethodEntry

if TYPE_CHECKING:
    from cl_bench.benchmark.method_config import Need


@dataclass(frozen=True)
class Plan:
    """A run that can be started, here or in another process.

    Attributes:
        config: what the run is.
        entry: the method and its published settings.
        suite: as it is defined here, on the run's backbone.
        tasks: those that are learned, with the prompts that are used.
        data_root: folder of the MTIL data sets.
        cache: where decoded images are kept; in memory without.
        sources: what the method needs besides the tasks.
        folder: the run's directory.
        micro_batch: how many images' activations are kept in training: a number, ``auto`` or, for the
            whole batch's, ``None``.
        interval: between two states that are kept within a task.
        deterministic: whether a GPU takes kernels that give the same bits in every run.
        held_out: data sets that are evaluated beside the tasks and never learned.
        retrieval: captioned pictures that are searched beside them.
        keeps: what stays of the run beside its results.
        start: the checkpoint that it begins with; ``None``: the pre-trained model.
    """

    config: RunConfig
    entry: MethodEntry
    suite: Suite
    tasks: tuple[TaskSpec, ...]
    data_root: Path | None
    cache: Path | None
    sources: dict[Need, Source]
    folder: Path
    micro_batch: str | None = None
    interval: Interval = Interval.of(USUAL)  # noqa: RUF009 (frozen)
    deterministic: bool = False
    held_out: tuple[TaskSpec, ...] = ()
    retrieval: tuple[RetrievalSpec, ...] = ()
    keeps: Keeps = Keeps()  # noqa: RUF009 (frozen)
    start: Path | None = None


def resolve(
    choices: Choices, out: Path = RUNS, device: str | None = None, needs_data: bool = False
) -> Plan:
    """Decide everything.

    Args:
        choices: what was asked for.
        out: the folder below which the run gets its directory.
        device: where the run will be made, if that is another machine; by default it is here.
        needs_data: whether to find now, before torch is imported, that data is missing.

    Raises:
        UserError: a name or value is wrong, or data is missing that is needed.
    """
    settled = settle(choices)
    if needs_data:
        must_have_data(settled, out)
    suite, said, root = settled.suite, settled.said, settled.data_root
    if device is None:
        device = choose_device(choices.device)  # torch, so after all that needs none
        must_compute(device, said.protocol.precision)
    protocol, caveats = computed_on(device, said.protocol, typed=choices.precision is not None)
    settled = replace(settled, said=replace(said, protocol=protocol))
    config = _config(settled, (*caveats, *preprocessing.caveats(suite.backbone)), device)
    _must_be_a_part(choices.micro_batch, config.budget.batch_size)
    images = {task.name: train_size(task, config) for task in settled.tasks}
    must_be_shared(config.protocol, config.budget, images, settled.entry, said.method)
    folder = _folder(out, config, suite)
    kept = recorded(choices, suite.name, folder).model_dump(mode="json")
    return Plan(
        config.model_copy(update={"choices": kept}),
        settled.entry,
        suite,
        settled.tasks,
        root,
        cache_folder(choices, root),
        settled.sources,
        folder,
        choices.micro_batch,
        Interval.of(choices.checkpoint_every or USUAL),
        choices.deterministic,
        settled.held_out,
        settled.retrieval,
        Keeps(choices.keep, choices.scores),
        settled.start.file if settled.start else None,
    )


def _must_be_a_part(micro_batch: str | None, size: int) -> None:
    if micro_batch is not None and micro_batch.isdecimal() and int(micro_batch) > size:
        raise UserError(
            f"--micro-batch {micro_batch}: a batch has {size} images; write {size} at most"
        )


def _config(settled: Settled, caveats: tuple[str, ...], device: str) -> RunConfig:
    """Everything that the run is."""
    entry, suite, said, tasks = settled.entry, settled.suite, settled.said, settled.tasks
    images = settled.training_images
    return RunConfig(
        suite=suite.identify(),
        backbone=suite.backbone,
        protocol=said.protocol,
        order=settled.order,
        tasks=tuple(task.name for task in tasks),
        held_out={spec.name: content_digest(suite, spec) for spec in settled.held_out},
        retrieval={spec.name: content_digest(suite, spec) for spec in settled.retrieval},
        start=settled.start.start if settled.start else None,
        method=entry.name,
        plugin=plugin_digest(entry),
        preset=said.preset,
        method_settings=said.method.model_dump(mode="json"),
        extra_data=extra_data(said.method.needs(), settled.sources),
        caveats=_caveats(settled, caveats),
        departures=departures(
            entry, said.preset, suite.name, suite.backbone, settled.order, said.protocol
        ),
        bound=entry.bound,
        recipe=said.recipe,
        budget=budget_of(said.budget, suite, settled.order, tasks, images),
        training_images=images,
        passes=passes_of(said.budget, suite, settled.order, tuple(images)),
        fitted_per_task=fitted_per_task(said, suite, settled.order, [task.name for task in tasks]),
        seed=settled.choices.seed,
        device=device,
    )


def budget_of(
    rule: BudgetRule,
    suite: Suite,
    order: str,
    tasks: tuple[TaskSpec, ...],
    images: Mapping[str, int],
) -> Budget:
    """How long each task is trained; ``images`` are those of a task of which not all are trained on."""
    sizes = {task.name: task.train_size for task in tasks} | dict(images)
    return rule.budget(sizes, suite.by_task(rule.epochs_per_task.get(order, {})))


def passes_of(rule: BudgetRule, suite: Suite, order: str, tasks: tuple[str, ...]) -> dict[str, int]:
    """Passes over the images of each task; none where steps are given instead."""
    own = suite.by_task(rule.epochs_per_task.get(order, {}))
    return {} if rule.steps else {task: own.get(task, rule.epochs) for task in tasks}


def _caveats(settled: Settled, of_model: tuple[str, ...]) -> tuple[str, ...]:
    """Everything that a reader of the metrics must know, one line each."""
    said, tasks, backbone = settled.said, settled.tasks, settled.suite.backbone.name
    among_others, ensemble = said.protocol.labels != "own", said.protocol.prompts == "ensemble"
    left_out = "image files that cannot be read are left out; the run's manifest names them"
    return (
        *((caveat(settled.start),) if settled.start else ()),
        *said.method.caveats(),
        *cut_prompts((*tasks, *settled.held_out), backbone),
        *cut_captions(settled.retrieval, backbone),
        *(namesakes(tasks, ensemble, backbone, said.protocol.namesakes) if among_others else ()),
        *of_model,
        *((AVERAGED,) if said.protocol.clients else ()),
        *((left_out,) if settled.choices.skip_broken else ()),
    )


def _folder(out: Path, config: RunConfig, suite: Suite) -> Path:
    """Where a run is kept below ``out``."""
    few = len(config.tasks) < len(suite.tasks)
    order = f"{config.order}-{len(config.tasks)}tasks" if few else config.order
    digest = f"seed{config.seed}-{config.digest()}"
    return out / f"{config.suite.name}-{order}" / config.method / digest
