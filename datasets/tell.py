"""How long work on files says how far it has come. No torch."""

from __future__ import annotations

from collections.abc import Callable

Tell = Callable[[str, int, int], None]  # what is done, files done, files in all
Count = Callable[[int, int], None]  # the same, where it is known what is done


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
