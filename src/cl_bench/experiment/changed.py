"""What parts two configurations of a run, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def differences(began: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """One phrase for every name under which two tables differ.

    Args:
        began: what the run began with, as JSON.
        now: what the same choices lead to now, as JSON.

    Returns:
        ``name (gone)``, ``name (new)``, ``name old -> new`` for single values, the name alone for
        lists, and for a table within a table its own phrases in brackets.
    """
    phrases = []
    for name in sorted({*began, *now}):
        old, new = began.get(name), now.get(name)
        if name not in now:
            phrases.append(f"{name} (gone)")
        elif name not in began:
            phrases.append(f"{name} (new)")
        elif old == new:
            continue
        elif isinstance(old, dict) and isinstance(new, dict):
            phrases.append(f"{name} ({', '.join(differences(old, new))})")
        elif isinstance(old, list) or isinstance(new, list):
            phrases.append(name)
        else:
            phrases.append(f"{name} {old!r} -> {new!r}")
    return phrases
