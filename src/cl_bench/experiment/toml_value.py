"""A value as TOML has it on one line. No torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def toml_value(value: Any) -> str:
    """A string, number, truth value, date, list, or table of them; what is none of these as a string."""
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(name)} = {toml_value(inner)}" for name, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml_value, value))}]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value, default=str)
