"""Names as reports show them."""

from __future__ import annotations

from collections.abc import Sequence


def short_names(names: Sequence[str]) -> list[str]:
    """Leave out a prefix up to the first hyphen that all names share (``mini-``)."""
    prefix, hyphen, _ = names[0].partition("-")
    shared = prefix + hyphen
    if len(names) < 2 or not hyphen or not all(name.startswith(shared) for name in names):
        return list(names)
    return [name.removeprefix(shared) for name in names]
