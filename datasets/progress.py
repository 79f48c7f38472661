"""Progress of long work on files: the form of the functions that are told of it. No torch."""

from __future__ import annotations

from collections.abc import Callable

ProgressCallback = Callable[[str, int, int], None]  # what is done, files done, files in all
Count = Callable[[int, int], None]  # the same, where it is known what is done


def silent(what: str, done: int, total: int) -> None:
    """ProgressCallback nobody."""
