"""Every value that a run is set to, and which of them are not those of its preset. No torch."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from cl_bench.experiment.resolve import Plan, budget_of
from cl_bench.experiment.setting_words import in_words
from cl_bench.experiment.settings import Table
from cl_bench.experiment.usual import usual_settings


@dataclass(frozen=True)
class SetValue:
    """A setting of a run.

    Attributes:
        table: where it belongs.
        name: of the setting.
        value: in words.
        usual: what method, suite and preset give, in words; ``None`` where that is the value.
    """

    table: Table
    name: str
    value: str
    usual: str | None


def set_values(plan: Plan) -> list[SetValue]:
    """Every setting of the method, of its recipe, budget and protocol, as the run has it."""
    config, usual = plan.config, usual_settings(plan.config, plan.suite, plan.entry)
    protocol = usual.protocol.model_copy(update={"shots": plan.suite.protocol.shots})
    budget = budget_of(usual.budget, plan.suite, config.order, plan.tasks, config.training_images)
    tables: dict[Table, tuple[dict[str, Any], dict[str, Any]]] = {
        "config": (config.method_settings, usual.method.model_dump(mode="json")),
        "recipe": (config.recipe.model_dump(), usual.recipe.model_dump()),
        "budget": (config.budget.model_dump(), budget.model_dump()),
        "protocol": (config.protocol.model_dump(), protocol.model_dump()),
    }
    return [value for table, (now, then) in tables.items() for value in _of(table, now, then)]


def _of(table: Table, now: dict[str, Any], usual: dict[str, Any]) -> Iterator[SetValue]:
    for name, value in now.items():
        words = _words(name, value)
        changed = value != usual[name]
        yield SetValue(table, name, words, _words(name, usual[name]) if changed else None)


def _words(name: str, value: Any) -> str:
    """In words; the steps of tasks, which stand with the tasks, as a range."""
    if name == "steps" and isinstance(value, dict):
        least, most = min(value.values()), max(value.values())
        return f"{least:,} a task" if least == most else f"{least:,} to {most:,} a task"
    return in_words(value)
