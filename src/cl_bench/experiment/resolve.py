"""From what was asked for to a run that can be started: every name found, every setting decided."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cl_bench.benchmark.config import Budget, RunConfig
from cl_bench.benchmark.errors import UserError
from cl_bench.benchmark.records.files import sha256_of
from cl_bench.datasets.budget_rule import BudgetRule
from cl_bench.datasets.checks.namesakes import namesakes
from cl_bench.datasets.checks.prompts import cut_prompts
from cl_bench.datasets.extra.references import Source, find_sources
from cl_bench.datasets.pretrained import preprocessing
from cl_bench.datasets.suite import Suite, TaskSpec
from cl_bench.experiment.arithmetic import choose_device, computed_on
from cl_bench.experiment.choices import Choices, parse_overrides
from cl_bench.experiment.merge import Merged, merge
from cl_bench.experiment.places import recorded
from cl_bench.experiment.suites import cache_folder, suite_of
from cl_bench.methods.catalog import MethodEntry, find_method

if TYPE_CHECKING:
    from cl_bench.benchmark.method_config import Need

RUNS = Path("runs")  # where runs are kept unless one says otherwise


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
    """

    config: RunConfig
    entry: MethodEntry
    suite: Suite
    tasks: tuple[TaskSpec, ...]
    data_root: Path | None
    cache: Path | None
    sources: dict[Need, Source]
    folder: Path


def resolve(choices: Choices, out: Path = RUNS, device: str | None = None) -> Plan:
    """Decide everything, and what needs torch last: the device. Of code only a plug-in's is loaded.

    Args:
        choices: what was asked for.
        out: the folder below which the run gets its directory.
        device: where the run will be made, if that is another machine; by default it is here.

    Raises:
        UserError: a name or value is wrong.
    """
    suite, root = suite_of(choices)
    suite = _on_backbone(suite, choices.backbone)
    order, tasks = _tasks(choices, suite)
    given = parse_overrides(choices.overrides)
    entry = find_method(choices.method or "keeplora", choices.plugin)
    said = merge(choices, given, entry, suite)
    if said.protocol.labels == "all" and entry.told_task:
        raise UserError(
            f"{entry.name} is told whose classes it chooses between, so it has no meaning under "
            "--protocol x-tail"
        )
    tasks = tuple(task.worded(said.protocol.wording) for task in tasks)
    needs, at_once = said.method.needs(), said.budget.batch_size
    sources = find_sources(needs, choices, suite.name, suite.backbone.name, at_once)
    about: dict[str, str] = {need: _about(need, sources) for need in needs}
    device = device or choose_device(choices.device)
    protocol, caveats = computed_on(device, said.protocol, typed=choices.precision is not None)
    said = replace(said, protocol=protocol)
    config = _config(choices, entry, suite, said, order, tasks, about, caveats, device)
    folder = _folder(out, config, suite)
    kept = recorded(choices, suite.name, folder).model_dump(mode="json")
    config = config.model_copy(update={"choices": kept})
    return Plan(config, entry, suite, tasks, root, cache_folder(choices, root), sources, folder)


def _config(
    choices: Choices, entry: MethodEntry, suite: Suite, said: Merged, order: str,
    tasks: tuple[TaskSpec, ...], extra_data: dict[str, str], caveats: tuple[str, ...], device: str,
) -> RunConfig:  # fmt: skip
    """Everything that the run is."""
    return RunConfig(
        suite=suite.identify(),
        backbone=suite.backbone,
        protocol=said.protocol,
        order=order,
        tasks=tuple(task.name for task in tasks),
        method=entry.name,
        plugin=sha256_of(entry.plugin) if entry.plugin else None,
        preset=said.preset,
        method_settings=said.method.model_dump(mode="json"),
        extra_data=extra_data,
        caveats=_caveats(choices, said, suite, tasks, caveats),
        bound=entry.bound,
        recipe=said.recipe,
        budget=_budget(said.budget, suite, order, tasks),
        seed=choices.seed,
        device=device,
    )


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


def _budget(rule: BudgetRule, suite: Suite, order: str, tasks: tuple[TaskSpec, ...]) -> Budget:
    sizes = {task.name: task.train_size for task in tasks}
    return rule.budget(sizes, suite.by_task(rule.epochs_per_task.get(order, {})))


def _about(need: Need, sources: dict[Need, Source]) -> str:
    """What a need is met by, pinned where it is a file."""
    of_the_stream: dict[Need, str] = {
        "all tasks": "of this suite, from the start",
        "earlier images": "those that the method keeps of the tasks it has learned; the log counts them",
    }
    return sources[need].about if need in sources else of_the_stream[need]


def _caveats(
    choices: Choices,
    said: Merged,
    suite: Suite,
    tasks: tuple[TaskSpec, ...],
    of_device: tuple[str, ...],
) -> tuple[str, ...]:
    """Everything that a reader of the metrics must know, one line each."""
    backbone, ensemble = suite.backbone, said.protocol.prompts == "ensemble"
    every_class = said.protocol.labels == "all"
    left_out = "image files that cannot be read are left out; the run's manifest names them"
    return (
        *said.method.caveats(),
        *cut_prompts(tasks, backbone.name),
        *(namesakes(tasks, ensemble, backbone.name) if every_class else ()),
        *of_device,
        *preprocessing.caveats(backbone),
        *((left_out,) if choices.skip_broken else ()),
    )


def _folder(out: Path, config: RunConfig, suite: Suite) -> Path:
    """Where a run is kept below ``out``."""
    few = len(config.tasks) < len(suite.tasks)
    order = f"{config.order}-{len(config.tasks)}tasks" if few else config.order
    digest = f"seed{config.seed}-{config.digest()}"
    return out / f"{config.suite.name}-{order}" / config.method / digest
