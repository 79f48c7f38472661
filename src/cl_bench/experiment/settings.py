"""Every setting of a method: what it may be, what it is under each preset, and who says so. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel
from pydantic.errors import PydanticUserError

from cl_bench.benchmark.config import Protocol, Recipe
from cl_bench.datasets.budget_rule import BudgetRule
from cl_bench.datasets.catalog import find_suite
from cl_bench.datasets.suite import Suite
from cl_bench.experiment.choices import Choices, Preset
from cl_bench.experiment.merge import BUDGET_KEYS, FEWER_IMAGES, PROTOCOL_KEYS, Merged, merge
from cl_bench.experiment.schema_words import kind_and_range
from cl_bench.methods.catalog import BUILT_IN, MethodEntry, find_method
from cl_bench.methods.settings_file import file_of

Table = Literal["config", "recipe", "budget", "protocol"]
OPTION_OF = {  # what of the protocol has an option of its own
    "labels": "--protocol", "namesakes": "--namesakes", "shots": "--shots",
    "imbalance": "--imbalance", "task_imbalance": "--task-imbalance",
    "clients": "--clients", "rounds": "--rounds", "client_alpha": "--client-alpha", "broken": "--skip-broken", "precision": "--precision",
}  # fmt: skip
INSTEAD = {"epochs": "steps", "epochs_per_task": "steps", "steps": "epochs"}  # either counts


@dataclass(frozen=True)
class Value:
    """What a setting is under a preset.

    Attributes:
        value: as a run resolves it; ``None`` where it is absent or does not count.
        source: the settings file and its table, the suite, or ``default``.
    """

    value: Any
    source: str


@dataclass(frozen=True)
class Setting:
    """Something that can be set.

    Attributes:
        table: of a settings file that holds it.
        name: behind ``--set``, and in settings files.
        option: how it is set on the command line; empty where settings files alone can.
        kind: what it may be, in words.
        range: its limits, in words; empty where there are none.
        default: without a settings file.
        paper: under preset ``paper``; nothing where the suite trains on few images.
        fair: under preset ``fair``.
        about: its docstring.
    """

    table: Table
    name: str
    option: str
    kind: str
    range: str
    default: Any
    paper: Value | None
    fair: Value
    about: str


def find_settings(method: str, suite: str, plugin: Path | None = None) -> tuple[Setting, ...]:
    """Every setting of a method on a suite, both by name.

    Raises:
        UserError: there is no such method or suite.
    """
    return settings_of(find_method(method, plugin), find_suite(suite))


def settings_of(entry: MethodEntry, suite: Suite) -> tuple[Setting, ...]:
    """Every setting of a method on a suite: its own, then recipe, budget and protocol.

    Raises:
        UserError: the method's settings file holds an impossible value.
    """
    fewer = any(getattr(suite.protocol, name) is not None for name in FEWER_IMAGES)
    fair = merge(Choices(preset="fair"), {}, entry, suite)
    paper = None if fewer else merge(Choices(preset="paper"), {}, entry, suite)
    return tuple(_settings(entry, suite, fair, paper))


def settable_names() -> set[str]:
    """Every name that ``--set`` takes of some built-in method."""
    own = {name for method in BUILT_IN for name in find_method(method).Config.model_fields}
    return {*own, *Recipe.model_fields, *BUDGET_KEYS, *PROTOCOL_KEYS}


def _settings(
    entry: MethodEntry, suite: Suite, fair: Merged, paper: Merged | None
) -> Iterator[Setting]:
    models: dict[Table, type[BaseModel]] = {
        "config": entry.Config, "recipe": Recipe, "budget": BudgetRule, "protocol": Protocol,
    }  # fmt: skip
    for table, model in models.items():
        schemas, defaults = _schemas(model), _defaults(model)
        for name, field in model.model_fields.items():
            kind, limits = kind_and_range(schemas.get(name, {}))
            yield Setting(
                table=table,
                name=name,
                option=_option(table, name, entry),
                kind=kind,
                range=limits,
                default=defaults.get(name),
                paper=_value(entry, suite, "paper", paper, table, name) if paper else None,
                fair=_value(entry, suite, "fair", fair, table, name),
                about=" ".join((field.description or "").replace("``", "`").split()),
            )


def _option(table: Table, name: str, entry: MethodEntry) -> str:
    if table != "config" and name in entry.Config.model_fields:
        return ""  # the method's own setting of that name goes before it
    if table == "protocol" and name not in PROTOCOL_KEYS:
        return OPTION_OF.get(name, "")
    if table == "budget" and name not in BUDGET_KEYS:
        return ""
    return f"--set {name}="


def _value(
    entry: MethodEntry, suite: Suite, preset: Preset, said: Merged, table: Table, name: str
) -> Value:
    """What a run would have, and where that comes from."""
    models: dict[Table, BaseModel] = {
        "config": said.method, "recipe": said.recipe, "budget": said.budget,
        "protocol": said.protocol,
    }  # fmt: skip
    value = models[table].model_dump(mode="json")[name]
    if (table, name) == ("budget", "epochs_per_task"):
        value = {order: suite.by_task(epochs) for order, epochs in value.items()}
    by_steps = said.budget.steps is not None
    if table == "budget" and name in INSTEAD and (name == "steps") != by_steps:
        return Value(None, f"{INSTEAD[name]} instead")
    for place in (f"{'paper' if preset == 'paper' else suite.settings_name}.{table}", table):
        given = name in _table(entry.settings, place)
        if given and value != {} and entry.file is not None:  # {}: of tasks that the suite lacks
            return Value(value, f"{file_of(entry.file, place, name).name} [{place}]")
    if table in ("budget", "protocol"):
        return Value(value, f"suite {suite.name}")
    by_itself = _defaults(type(models[table])).get(name) == value
    return Value(value, "default" if by_itself else "follows from others")


def _table(settings: Mapping[str, Any], place: str) -> Mapping[str, Any]:
    """The table that a dotted name stands for."""
    for name in place.split("."):
        settings = settings.get(name, {})
    return settings


def _schemas(model: type[BaseModel]) -> Mapping[str, Any]:
    try:
        schema = model.model_json_schema()
    except PydanticUserError:  # a plug-in's setting may be of a type that JSON does not have
        return {}
    properties: Mapping[str, Any] = schema.get("properties", {})
    return properties


def _defaults(model: type[BaseModel]) -> dict[str, Any]:
    """What every setting is where nothing is said; without those that must be given."""
    try:
        return model().model_dump(mode="json")
    except ValueError:  # one must be given
        return {
            name: field.get_default(call_default_factory=True)
            for name, field in model.model_fields.items()
            if not field.is_required()
        }
