"""From what the user typed to a resolved run: suite, method, preset and what was set by hand."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cl_bench.benchmark.config import Protocol, Recipe, RunConfig
from cl_bench.benchmark.errors import UserError, in_one_line, unknown
from cl_bench.benchmark.records.files import sha256_of
from cl_bench.cli.choices import Choices, Preset, parse_overrides, validated
from cl_bench.cli.precision import choose_arithmetic
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.checks.namesakes import namesakes
from cl_bench.datasets.checks.prompts import cut_prompts
from cl_bench.datasets.extra.references import Source, find_sources
from cl_bench.datasets.pretrained import preprocessing
from cl_bench.datasets.suite import Suite, TaskSpec

if TYPE_CHECKING:
    from cl_bench.benchmark.assets import Need
    from cl_bench.benchmark.method import MethodConfig
    from cl_bench.methods.catalog import MethodEntry

BUDGET_KEYS = ("batch_size", "epochs", "steps")
PROTOCOL_KEYS = ("prompts", "augment")
LABELS = {"mtil": "own", "x-tail": "all"}  # --protocol: what an image is classified over


@dataclass(frozen=True)
class Plan:
    """A run that can be started: its configuration and what builds it."""

    config: RunConfig
    entry: MethodEntry
    suite: Suite
    tasks: tuple[TaskSpec, ...]
    data_root: Path | None
    cache: Path | None
    """Where decoded images are kept; in memory without."""
    sources: dict[Need, Source]


def make_plan(choices: Choices, seed: int, device: str | None = None) -> Plan:
    """Resolve everything; nothing is loaded but the method's code.

    Args:
        choices: what the user typed.
        seed: of the run.
        device: where the run will be made, if that is another machine; by default it is here.

    Raises:
        UserError: a name or value is wrong.
    """
    from cl_bench.methods.catalog import find_method

    entry = find_method(choices.method or "keeplora", choices.plugin)
    suite, root = suite_of(choices)
    given = parse_overrides(choices.overrides)
    suite = _revalidated(suite, _suite_changes(choices), _protocol_changes(choices))
    few = suite.protocol.shots is not None
    preset = choices.preset or ("fair" if few else suite.preset)
    if few and preset == "paper":
        raise UserError("--preset paper has no few-shot budgets; use --preset fair with --shots")
    settings, recipe, suite = _apply(given, entry, suite, preset)
    if few and not {"steps", "epochs"} & given.keys():
        suite = suite.model_copy(update={"steps": suite.few_shot_steps})
    if suite.protocol.labels == "all" and entry.method.told_task:
        raise UserError(
            f"{entry.name} is told whose classes it chooses between, so it has no meaning under "
            "--protocol x-tail"
        )
    order, tasks = suite.order(choices.order or "I")
    tasks = _first(tasks, choices.tasks)
    tasks = tuple(task.worded(suite.protocol.wording) for task in tasks)
    budget = suite.budget(order, tasks)
    sources = find_sources(
        settings.needs(), choices.references, suite.name, suite.backbone.name, budget.batch_size
    )
    device = device or choose_device(choices.device)
    arithmetic = choose_arithmetic(choices.precision, suite.protocol.precision, device)
    suite = _revalidated(suite, {}, {"precision": arithmetic.precision})
    by_hand = preset == "paper" and (
        arithmetic.by_hand or any(key in given for key in (*BUDGET_KEYS, *PROTOCOL_KEYS))
    )
    config = RunConfig(
        suite=suite.identify(),
        backbone=suite.backbone,
        protocol=suite.protocol,
        order=order,
        tasks=tuple(task.name for task in tasks),
        method=entry.name,
        plugin=sha256_of(entry.plugin) if entry.plugin else None,
        preset="custom" if by_hand else preset,
        method_settings=settings.model_dump(mode="json"),
        extra_data={need: _source(need, sources) for need in settings.needs()},
        caveats=(
            *settings.caveats(),
            *_prompt_caveats(suite, tasks),
            *arithmetic.caveats,
            *preprocessing.caveats(suite.backbone),
            *_data_caveats(choices),
        ),
        bound=entry.method.bound,
        recipe=recipe,
        budget=budget,
        seed=seed,
        device=device,
        choices=choices.model_dump(mode="json"),
    )
    return Plan(config, entry, suite, tasks, root, cache_folder(choices, root), sources)


def suite_of(choices: Choices) -> tuple[Suite, Path | None]:
    """The suite that the choices name, as it is defined here, and the data root.

    Raises:
        UserError: there is no such suite, or its file is wrong.
    """
    root = choices.data_root or environment_root()
    name = choices.suite or ("mtil" if root else "mini")
    return find_suite(name, _partial_root(choices, root)), root


def _partial_root(choices: Choices, root: Path | None) -> Path | None:
    if choices.partial_data and root is None:
        raise UserError("--partial-data needs --data-root DIR (or CL_BENCH_DATA)")
    return root.resolve() if root is not None and choices.partial_data else None


def cache_folder(choices: Choices, root: Path | None) -> Path | None:
    """The named folder, else one beside the data sets."""
    named = choices.cache or os.environ.get("CL_BENCH_CACHE")
    return Path(named) if named else root and root / "cl-bench-cache"


def _protocol_changes(choices: Choices) -> dict[str, Any]:
    labels = LABELS[choices.protocol] if choices.protocol else None
    broken = "skip" if choices.skip_broken else None
    changes = {"labels": labels, "shots": choices.shots, "broken": broken}
    return {key: value for key, value in changes.items() if value is not None}


def _data_caveats(choices: Choices) -> tuple[str, ...]:
    left_out = "image files that cannot be read are left out; the run's manifest names them"
    return (left_out,) if choices.skip_broken else ()


def _prompt_caveats(suite: Suite, tasks: tuple[TaskSpec, ...]) -> tuple[str, ...]:
    """What the tasks' prompts mean for the figures."""
    backbone, ensemble = suite.backbone.name, suite.protocol.prompts == "ensemble"
    shared = namesakes(tasks, ensemble, backbone) if suite.protocol.labels == "all" else ()
    return (*cut_prompts(tasks, backbone), *shared)


def _source(need: Need, sources: dict[Need, Source]) -> str:
    return sources[need].about if need in sources else "of this suite, from the start"


def environment_root() -> Path | None:
    """The data root that ``CL_BENCH_DATA`` names."""
    root = os.environ.get("CL_BENCH_DATA")
    return Path(root) if root else None


def _first(tasks: tuple[TaskSpec, ...], count: int | None) -> tuple[TaskSpec, ...]:
    if count is not None and not 1 <= count <= len(tasks):
        raise UserError(
            f"--tasks {count}: the order has {len(tasks)} tasks; give 1 to {len(tasks)}"
        )
    return tasks[:count]


def _suite_changes(choices: Choices) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if choices.backbone is not None:
        from cl_bench.datasets.backbones import parse

        changes["backbone"] = parse(choices.backbone)
    return changes


def _apply(
    given: Mapping[str, Any], entry: MethodEntry, suite: Suite, preset: Preset
) -> tuple[MethodConfig, Recipe, Suite]:
    """Hand every override to the one table that knows its key, on top of the preset's values."""
    tables: dict[str, tuple[str, ...]] = {
        "config": tuple(entry.method.Config.model_fields),
        "recipe": tuple(Recipe.model_fields),
        "budget": BUDGET_KEYS,
        "protocol": PROTOCOL_KEYS,
    }
    values = {name: entry.defaults(name, preset, suite.name) for name in tables}
    values["recipe"]["lr_per_task"] = suite.by_task(values["recipe"].get("lr_per_task", {}))
    for key, value in given.items():
        table = next((name for name, keys in tables.items() if key in keys), None)
        if table is None:
            raise unknown(
                f"setting of {entry.name}", key, [k for ks in tables.values() for k in ks]
            )
        if key == "epochs":  # asked for by hand: for every task, and instead of steps
            values["budget"] |= {"steps": None, "epochs_per_task": {}}
        if key == "lr":
            values["recipe"]["lr_per_task"] = {}
        values[table][key] = value
    config = validated(lambda: entry.method.Config(**values["config"]))
    recipe = validated(lambda: Recipe(**values["recipe"]))
    if "epochs" in values["budget"]:  # a published budget in epochs, on a suite that counts steps
        values["budget"].setdefault("steps", None)
    return config, recipe, _revalidated(suite, values["budget"], values["protocol"])


def _revalidated(suite: Suite, changes: Mapping[str, Any], protocol: Mapping[str, Any]) -> Suite:
    merged = validated(lambda: Protocol(**(suite.protocol.model_dump() | dict(protocol))))
    fields = {name: getattr(suite, name) for name in Suite.model_fields}
    return validated(lambda: Suite(**(fields | dict(changes) | {"protocol": merged})))


def choose_device(name: str | None) -> str:
    """The device a run uses: the named one, else a GPU where there is one.

    Raises:
        UserError: the named device is unknown or not there.
    """
    import torch

    if name is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"the device {name!r} cannot be used here: {in_one_line(error)}") from error
    return name
