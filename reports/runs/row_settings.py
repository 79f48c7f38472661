"""The settings by which rows of one method differ, and as few of them as tell the rows apart."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence

from cl_bench.benchmark.config import RunConfig

Settings = dict[tuple[str, str], str]  # (table, key) -> value as JSON


def settings_of(config: RunConfig) -> Settings:
    """Everything that a result may depend on within a group, seed and device aside."""
    steps = {f"steps of {task}": n for task, n in config.budget.steps.items()}
    passes = {
        f"passes over {task}": n for task, n in config.passes.items()
    }  # steps: each seed's own
    budget = passes or steps
    tables = {
        "method": config.method_settings,
        "recipe": config.recipe.model_dump(),
        "budget": {"batch_size": config.budget.batch_size, **budget},
        "protocol": config.protocol.model_dump(),
        "extra data": config.extra_data,
        "backbone": config.backbone.model_dump(),
        "plug-in": {"plugin": config.plugin[:12]} if config.plugin else {},
    }
    return {
        (table, key): json.dumps(value, sort_keys=True)
        for table, values in tables.items()
        for key, value in values.items()
    }


def evidence_of(config: RunConfig) -> tuple[str, ...]:
    """Equal for runs that are one seed of one row, however they were recorded."""
    own = repr(sorted(settings_of(config).items()))
    return config.comparison_key(), config.method, own, str(config.seed)


def differing_keys(settings: Sequence[Settings]) -> list[tuple[str, str]]:
    """The keys with more than one value among the settings, in the order in which configurations hold them."""
    keys = dict.fromkeys(key for own in settings for key in own)
    return [key for key in keys if len({own.get(key) for own in settings}) > 1]


def telling_keys(
    keys: list[tuple[str, str]], settings: Sequence[Settings]
) -> list[tuple[str, str]]:
    """Some of ``keys`` that are enough to tell the settings apart.

    A key declared late goes first: a method declares a switch that stands for others (``variant``)
    before these.
    """
    kept = list(keys)
    for key in reversed(keys):
        rest = [k for k in kept if k != key]
        if len({tuple(own.get(k) for k in rest) for own in settings}) == len(settings):
            kept = rest
    return kept


def settings_in_words(keys: Sequence[tuple[str, str]], settings: Settings) -> str:
    """``key=value`` pairs; a key that two tables hold is named with its table."""
    times = Counter(key for _, key in keys)
    return ", ".join(
        f"{key if times[key] == 1 else f'{table}.{key}'}={_value(settings.get((table, key)))}"
        for table, key in keys
    )


def _value(encoded: str | None) -> str:
    if encoded is None:
        return "(absent)"
    value = json.loads(encoded)
    return value if isinstance(value, str) else encoded
