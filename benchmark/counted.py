"""Numbers of things in words."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """``1 held-out set``, ``2 held-out sets``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
