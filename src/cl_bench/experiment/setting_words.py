"""Values of settings and where they come from, in words. No torch."""

from __future__ import annotations

from typing import Any

from cl_bench.experiment.settings import Setting, Table

TITLES: dict[Table, str] = {
    "config": "the method's own",
    "recipe": "how parameters are optimised",
    "budget": "how long is trained",
    "protocol": "what is trained on, and how accuracies are measured",
}


def in_words(value: Any) -> str:
    """A value as one would type it; ``-`` where there is none, tables as ``task value`` with commas."""
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case dict() if not any(value.values()):
            return "-"
        case dict():
            nested = any(isinstance(inner, dict) for inner in value.values())
            colon, semicolon = (": ", "; ") if nested else (" ", ", ")
            return semicolon.join(f"{name}{colon}{in_words(v)}" for name, v in value.items() if v)
        case _:
            return str(value)


def sources_of(setting: Setting) -> tuple[str, ...]:
    """Who says what the values are under the presets, where that is not the default."""
    named = {"paper": setting.paper, "fair": setting.fair}
    said = {preset: value.source for preset, value in named.items() if value is not None}
    if len(set(said.values())) == 1 and len(said) > 1:
        said = {"paper and fair": next(iter(said.values()))}
    return tuple(f"({preset}: {source})" for preset, source in said.items() if source != "default")
