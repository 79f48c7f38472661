"""The JSON schema of a setting in words: what it may be, and between which limits. No torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

KINDS = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "array": "list",
    "null": "absent",
}
LIMITS = {"minimum": ">=", "exclusiveMinimum": ">", "maximum": "<=", "exclusiveMaximum": "<"}


def kind_and_range(schema: Mapping[str, Any]) -> tuple[str, str]:
    """What a value may be, and its limits.

    Args:
        schema: of one setting, as pydantic writes it.

    Returns:
        Words such as ``whole number`` and ``>= 1``; names with commas and no limits for a choice.
    """
    if several := schema.get("anyOf"):
        kinds, ranges = zip(*map(kind_and_range, several), strict=True)
        return " or ".join(kinds), ", ".join(filter(None, ranges))
    if names := schema.get("enum", [schema["const"]] if "const" in schema else []):
        return ", ".join(map(str, names)), ""
    if schema.get("type") == "object":
        kind, limits = kind_and_range(schema.get("additionalProperties") or {})
        return f"table: name = {kind}", limits
    limits = ", ".join(f"{sign} {schema[key]:g}" for key, sign in LIMITS.items() if key in schema)
    return KINDS.get(schema.get("type", ""), "any value"), limits
